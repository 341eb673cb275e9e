import type { S3Client } from '@aws-sdk/client-s3';
import { proxyAgents } from '../net/proxy-agents.js';
import {
  networkTrouble,
  type ObjectPlace,
  type ObjectStore,
  ObjectStoreError,
  type ObjectTrouble,
  objectUri,
} from './object-store.js';

const HEAD_BYTES = 4;
/** An upload holds two of these in memory. */
const UPLOAD_PART_BYTES = 8 * 1024 * 1024;
const CONNECT_MS = 10_000;
/** No byte for so long: the connection is dead. */
const IDLE_MS = 60_000;

interface Keys {
  access_key_id: string;
  secret_access_key: string;
  region: string;
}

/**
 * S3 and what speaks like it. Credentials and region are those given, else come from the SDK's own chain; an endpoint (MinIO, Ceph, a test
 * server) is spoken to in path style. The SDK is loaded at the first use.
 */
export async function openS3(
  endpoint: string | null,
  { keys = null, requesterPays = false }: { keys?: Keys | null; requesterPays?: boolean } = {},
): Promise<ObjectStore & { close(): void }> {
  // Said once for each client otherwise, on versions of Node that the project supports.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const { Upload } = await import('@aws-sdk/lib-storage');
  const client: S3Client = new sdk.S3Client({
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    // A server of one's own takes any region, and the SDK none.
    ...(endpoint !== null && { region: await regionOr('us-east-1', new sdk.S3Client({})) }),
    ...(keys !== null && {
      region: keys.region,
      credentials: { accessKeyId: keys.access_key_id, secretAccessKey: keys.secret_access_key },
    }),
    // Older servers than Amazon's refuse the checksums that the SDK would add.
    ...(endpoint !== null && { requestChecksumCalculation: 'WHEN_REQUIRED' as const }),
    followRegionRedirects: true,
    maxAttempts: 5,
    // Ranges carry no checksum, and hashing whole objects in JavaScript would halve the speed of reading.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      ...(await proxyAgents(endpoint ?? 'https://s3.amazonaws.com')),
    },
  });
  const where = (place: ObjectPlace) => objectUri('s3', place);
  const explained = <T>(place: ObjectPlace, doing: Promise<T>): Promise<T> =>
    doing.catch((error: unknown) => {
      throw explain(error, where(place), place.bucket);
    });
  const payer = requesterPays ? { RequestPayer: 'requester' as const } : {};
  const named = ({ bucket, key }: ObjectPlace) => ({ Bucket: bucket, Key: key, ...payer });

  return {
    kind: 's3',

    async head(place, signal) {
      const asked = { ...named(place), Range: `bytes=0-${HEAD_BYTES - 1}` };
      try {
        const answer = await client.send(new sdk.GetObjectCommand(asked), {
          ...(signal && { abortSignal: signal }),
        });
        const head = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
        const size = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? answer.ContentLength ?? 0;
        return { version: answer.ETag ?? '', size: Number(size), head: head.subarray(0, HEAD_BYTES) };
      } catch (error) {
        // The answer of an empty object to any range.
        if (statusOf(error) !== 416) throw explain(error, where(place), place.bucket);
        const { ETag } = await explained(place, client.send(new sdk.HeadObjectCommand(named(place))));
        return { version: ETag ?? '', size: 0, head: new Uint8Array() };
      }
    },

    async *read(place, start, version, signal) {
      const asked = {
        ...named(place),
        ...(start > 0 && { Range: `bytes=${start}-` }),
        ...(version !== '' && { IfMatch: version }),
      };
      try {
        const answer = await client.send(new sdk.GetObjectCommand(asked), {
          ...(signal && { abortSignal: signal }),
        });
        if (answer.Body) yield* answer.Body as unknown as AsyncIterable<Uint8Array>;
      } catch (error) {
        throw explain(error, where(place), place.bucket);
      }
    },

    async *list(bucket, prefix, { flat = false } = {}) {
      const asked = { Bucket: bucket, Prefix: prefix, ...payer, ...(flat && { Delimiter: '/' }) };
      try {
        for await (const page of sdk.paginateListObjectsV2({ client }, asked))
          for (const { Key: key, ETag: version = '', Size: size = 0 } of page.Contents ?? [])
            if (key !== undefined) yield { key, version, size };
      } catch (error) {
        throw explain(error, where({ bucket, key: prefix }), bucket);
      }
    },

    async write(place, bytes) {
      const { Readable } = await import('node:stream');
      const upload = new Upload({
        client,
        params: { ...named(place), Body: Readable.from(bytes, { objectMode: false }) },
        partSize: UPLOAD_PART_BYTES,
        queueSize: 1,
      });
      try {
        await upload.done();
      } catch (error) {
        throw error instanceof Error && '$metadata' in error
          ? explain(error, where(place), place.bucket)
          : error;
      }
    },

    async create(place, text) {
      const put = (condition: { IfNoneMatch?: string }) =>
        client.send(new sdk.PutObjectCommand({ ...named(place), Body: text, ...condition }));
      try {
        await put({ IfNoneMatch: '*' });
        return true;
      } catch (error) {
        const trouble = explain(error, where(place), place.bucket);
        if (trouble.trouble === 'changed') return false;
        // Conditional writes are younger than many servers that speak S3.
        if (statusOf(error) !== 501) throw trouble;
        await explained(place, put({}));
        return true;
      }
    },

    async copy(from, to) {
      const CopySource = `${from.bucket}/${from.key.split('/').map(encodeURIComponent).join('/')}`;
      await explained(from, client.send(new sdk.CopyObjectCommand({ ...named(to), CopySource })));
    },

    async takesChecksums(place) {
      const asked = { ...named(place), Body: 'asg-ingest', ChecksumAlgorithm: 'CRC32' as const };
      try {
        await client.send(new sdk.PutObjectCommand(asked));
        return true;
      } catch (error) {
        if (explain(error, where(place), place.bucket).trouble === 'temporary' && statusOf(error) !== 501)
          throw error;
        return false;
      }
    },

    async remove(place) {
      await explained(place, client.send(new sdk.DeleteObjectCommand(named(place))));
    },

    close: () => client.destroy(),
  };
}

/** The region of the SDK's own chain, profiles included. */
const regionOr = (fallback: string, { config }: S3Client) => config.region().catch(() => fallback);

const statusOf = (error: unknown) =>
  (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;

const BY_NAME: Readonly<Record<string, ObjectTrouble>> = {
  NoSuchBucket: 'no_bucket',
  InvalidBucketName: 'no_bucket',
  NoSuchKey: 'gone',
  NotFound: 'gone',
  PreconditionFailed: 'changed',
  ConditionalRequestConflict: 'changed',
  InvalidRange: 'changed',
  AccessDenied: 'denied',
  AllAccessDisabled: 'denied',
  InvalidObjectState: 'other',
  RequestTimeTooSkewed: 'other',
  CredentialsProviderError: 'credentials',
  InvalidAccessKeyId: 'credentials',
  SignatureDoesNotMatch: 'credentials',
  ExpiredToken: 'credentials',
  InvalidToken: 'credentials',
  PermanentRedirect: 'region',
  AuthorizationHeaderMalformed: 'region',
  IllegalLocationConstraintException: 'region',
};
const BY_STATUS: Readonly<Record<number, ObjectTrouble>> = {
  301: 'region',
  307: 'region',
  403: 'denied',
  404: 'gone',
  412: 'changed',
  416: 'changed',
};

const TEXTS: Readonly<Record<Exclude<ObjectTrouble, 'temporary'>, readonly [what: string, hint: string]>> = {
  gone: ['there is no such object', 'Check the key; a trailing / or * takes all objects under a prefix.'],
  changed: ['the object is not what it was', 'Put the old content back, or start a new run.'],
  no_bucket: ['there is no such bucket', 'Check the name of the bucket.'],
  denied: [
    'access is denied',
    'Allow s3:GetObject and s3:ListBucket for a manifest, s3:PutObject, s3:GetObject, s3:ListBucket and s3:DeleteObject for --out; --requester-pays if the bucket is one whose users pay.',
  ],
  credentials: [
    'no valid credentials',
    'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run with a role.',
  ],
  region: ['the bucket is in another region, or none is set', "Set AWS_REGION to the bucket's region."],
  other: ['S3 refused the request', 'Check the bucket, the key and the endpoint.'],
};

function textOf(trouble: Exclude<ObjectTrouble, 'temporary'>, error: unknown): readonly [string, string] {
  const headers = (error as { $response?: { headers?: Record<string, string> } } | null)?.$response?.headers;
  const region = headers?.['x-amz-bucket-region'];
  if (trouble === 'region' && region !== undefined)
    return [`the bucket is in the region ${region}`, `Set AWS_REGION=${region}.`];
  return TEXTS[trouble];
}

/** One sentence for what the SDK threw. */
function explain(error: unknown, where: string, bucket: string): ObjectStoreError {
  if (error instanceof ObjectStoreError) return error;
  const {
    name = '',
    message = '',
    code,
  } = (error ?? {}) as { name?: string; message?: string; code?: string };
  const status = statusOf(error);
  const trouble =
    BY_NAME[code ?? ''] ??
    BY_NAME[name] ??
    (/region is missing/i.test(message) ? 'region' : undefined) ??
    (/could not load credentials/i.test(message) ? 'credentials' : undefined) ??
    BY_STATUS[status ?? 0] ??
    (status !== undefined && status >= 400 && status < 500 && status !== 429 && status !== 408
      ? 'other'
      : undefined);
  if (trouble === undefined || trouble === 'temporary')
    return networkTrouble(
      error,
      where,
      'Check --s3-endpoint (AWS_ENDPOINT_URL_S3), AWS_REGION and the network.',
    );
  const [what, hint] = textOf(trouble, error);
  const place = trouble === 'no_bucket' || trouble === 'region' ? `s3://${bucket}` : where;
  // S3's own message, where it has more than the status.
  const said = [
    name === 'UnknownError' ? '' : name,
    message === name || message === 'UnknownError' ? '' : message,
  ];
  const own = said.filter((text) => text !== '').join(': ') || `HTTP ${status}`;
  const detail = trouble === 'gone' || trouble === 'changed' || trouble === 'no_bucket' ? '' : ` (${own})`;
  return new ObjectStoreError(trouble, `${place}: ${what}${detail}`, hint, error);
}
