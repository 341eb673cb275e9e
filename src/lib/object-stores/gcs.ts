import { pipeline } from 'node:stream/promises';
import type { File, StorageOptions } from '@google-cloud/storage';
import { request } from 'undici';
import { poolToAny } from '../net/proxy.js';
import {
  networkTrouble,
  type ObjectPlace,
  type ObjectStore,
  ObjectStoreError,
  type ObjectTrouble,
  objectUri,
} from './object-store.js';

const HEAD_BYTES = 4;
/** Up to here an object is sent in one request; beyond, by a resumable upload in chunks of this size. */
const SIMPLE_BYTES = 8 * 1024 * 1024;
/** No byte for so long: the connection is dead. */
const IDLE_MS = 60_000;
/** A small object's media type; Google keeps it with the object. */
const TYPE = { contentType: 'application/json' };

/**
 * Google Cloud Storage. Credentials are the given service account's, else come from the SDK's own chain (application default credentials, workload identity,
 * the metadata server); an endpoint (an emulator) is spoken to without any. The SDK is loaded at the first use.
 */
export async function openGcs(
  endpoint: string | null,
  {
    serviceAccount = null,
    requesterPays = false,
  }: { serviceAccount?: string | null; requesterPays?: boolean } = {},
): Promise<ObjectStore & { close(): Promise<void> }> {
  const { IdempotencyStrategy, Storage } = await import('@google-cloud/storage');
  const storage = new Storage({
    ...(endpoint === null
      ? {}
      : { apiEndpoint: endpoint, projectId: 'none', useAuthWithCustomEndpoint: false }),
    ...(serviceAccount !== null && {
      credentials: JSON.parse(serviceAccount) as StorageOptions['credentials'],
    }),
    // Every write here may be repeated: same name, same bytes.
    retryOptions: { autoRetry: true, maxRetries: 4, idempotencyStrategy: IdempotencyStrategy.RetryAlways },
  });
  const userProject = requesterPays
    ? process.env.GOOGLE_CLOUD_PROJECT || (await storage.getProjectId())
    : null;
  const bucketOf = (name: string) => storage.bucket(name, userProject === null ? {} : { userProject });
  const file = ({ bucket, key }: ObjectPlace): File => bucketOf(bucket).file(key);
  const dispatcher = poolToAny({ connections: 64 });
  const where = (place: ObjectPlace) => objectUri('gs', place);
  const explained = <T>(place: ObjectPlace, doing: Promise<T>): Promise<T> =>
    doing.catch((error: unknown) => {
      throw explain(error, where(place), place.bucket);
    });

  const origin = (endpoint ?? storage.apiEndpoint).replace(/\/+$/, '');

  /**
   * Stored bytes as they are, by the SDK's credentials but not its read stream. That one waits for ever when the
   * connection is reset just after the answer began.
   */
  async function* bytesOf(
    place: ObjectPlace,
    generation: string,
    range: string | null,
    signal?: AbortSignal,
    seen?: (unpacked: boolean) => void,
  ): AsyncIterable<Uint8Array> {
    const path = `/storage/v1/b/${encodeURIComponent(place.bucket)}/o/${encodeURIComponent(place.key)}`;
    const payer = userProject === null ? '' : `&userProject=${encodeURIComponent(userProject)}`;
    const query = `alt=media&generation=${generation}${payer}`;
    try {
      const login = endpoint === null ? await storage.authClient.getRequestHeaders() : {};
      const { statusCode, headers, body } = await request(`${origin}${path}?${query}`, {
        dispatcher,
        headers: { ...login, 'accept-encoding': 'gzip', ...(range !== null && { range }) },
        headersTimeout: IDLE_MS,
        bodyTimeout: IDLE_MS,
        ...(signal && { signal }),
      });
      if (statusCode >= 300)
        throw explain({ code: statusCode, message: await body.text() }, where(place), place.bucket);
      seen?.(isUnpacked(headers));
      // A server that unpacks on the way knows no ranges of what it sends.
      yield* range !== null && statusCode === 200 ? without(startOf(range), body) : body;
    } catch (error) {
      throw signal?.aborted ? signal.reason : explain(error, where(place), place.bucket);
    }
  }

  return {
    kind: 'gs',

    async head(place, signal) {
      const [metadata] = await explained(place, file(place).getMetadata());
      const version = String(metadata.generation ?? '');
      const size = Number(metadata.size ?? 0);
      const head: Uint8Array[] = [];
      let unpacked = false;
      const seen = (is: boolean) => {
        unpacked = is;
      };
      const range = `bytes=0-${Math.min(size, HEAD_BYTES) - 1}`;
      if (size > 0)
        for await (const chunk of bytesOf(place, version, range, signal, seen)) {
          head.push(chunk);
          if (Buffer.concat(head).length >= HEAD_BYTES) break;
        }
      const start = { version, head: Buffer.concat(head).subarray(0, HEAD_BYTES) };
      return unpacked ? { ...start, size: null, ranges: false } : { ...start, size };
    },

    read: (place, start, version, signal) =>
      bytesOf(place, version, start > 0 ? `bytes=${start}-` : null, signal),

    async *list(bucket, prefix, { flat = false } = {}) {
      const query = { prefix, ...(flat && { delimiter: '/' }) };
      try {
        for await (const { name, metadata } of bucketOf(bucket).getFilesStream(query) as AsyncIterable<File>)
          yield { key: name, version: String(metadata.generation ?? ''), size: Number(metadata.size ?? 0) };
      } catch (error) {
        throw explain(error, where({ bucket, key: prefix }), bucket);
      }
    },

    async write(place, bytes) {
      const { first, whole, rest } = await upTo(SIMPLE_BYTES, bytes);
      const target = file(place);
      if (whole) {
        const saving = target.save(Buffer.concat(first), { resumable: false, validation: 'crc32c' });
        return explained(place, saving);
      }
      // A failure of what is written is the writer's, not the store's.
      let own: unknown;
      async function* all() {
        yield* first;
        try {
          yield* rest;
        } catch (error) {
          own = error;
          throw error;
        }
      }
      const upload = target.createWriteStream({
        resumable: true,
        chunkSize: SIMPLE_BYTES,
        validation: 'crc32c',
      });
      await pipeline(all, upload).catch((error: unknown) => {
        throw own ?? explain(error, where(place), place.bucket);
      });
    },

    async create(place, text) {
      const options = { resumable: false, metadata: TYPE, preconditionOpts: { ifGenerationMatch: 0 } };
      try {
        await file(place).save(text, options);
        return true;
      } catch (error) {
        const trouble = explain(error, where(place), place.bucket);
        if (trouble.trouble === 'changed') return false;
        throw trouble;
      }
    },

    async copy(from, to) {
      await explained(from, file(from).copy(file(to)));
    },

    async remove(place) {
      await explained(place, file(place).delete({ ignoreNotFound: true }));
    },

    close: () => dispatcher.destroy(),
  };
}

/** Whether a gzip object came unpacked, as a server does that transcodes: its size is not that of what it sends. */
const isUnpacked = (headers: Record<string, string | string[] | undefined>) => {
  const kept = headers['x-goog-stored-content-encoding'];
  return kept !== undefined && kept !== 'identity' && headers['content-encoding'] !== kept;
};

const startOf = (range: string) => Number(/^bytes=(\d+)-/.exec(range)?.[1] ?? 0);

async function* without(count: number, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let left = count;
  for await (const chunk of bytes) {
    if (left < chunk.length) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

/** The first chunks of a stream, until they are `most` bytes together, and what follows them. */
async function upTo(most: number, bytes: AsyncIterable<Buffer>) {
  const iterator = bytes[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  for (let length = 0; length < most; ) {
    const next = await iterator.next();
    if (next.done === true) return { first, whole: true, rest: bytes };
    first.push(next.value);
    length += next.value.length;
  }
  return { first, whole: false, rest: { [Symbol.asyncIterator]: () => iterator } };
}

const BY_STATUS: Readonly<Record<number, ObjectTrouble>> = {
  401: 'credentials',
  403: 'denied',
  404: 'gone',
  412: 'changed',
  416: 'changed',
};

const TEXTS: Readonly<
  Record<Exclude<ObjectTrouble, 'temporary' | 'region'>, readonly [what: string, hint: string]>
> = {
  gone: ['there is no such object', 'Check the name; a trailing / or * takes all objects under a prefix.'],
  changed: ['the object is not what it was', 'Put the old content back, or start a new run.'],
  no_bucket: ['there is no such bucket', 'Check the name of the bucket.'],
  denied: [
    'access is denied',
    'Allow storage.objects.get and .list for a manifest (role Storage Object Viewer), and .create and .delete too for --out (Storage Object User).',
  ],
  credentials: [
    'no valid credentials',
    'Set GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or use a service account.',
  ],
  other: ['Google Cloud Storage refused the request', 'Check the bucket, the name and the endpoint.'],
};

/** One sentence for what the SDK threw. */
function explain(error: unknown, where: string, bucket: string): ObjectStoreError {
  if (error instanceof ObjectStoreError) return error;
  const { message = '', code } = (error ?? {}) as { message?: string; code?: number | string };
  const status = typeof code === 'number' ? code : Number(code);
  if (/requester pays/i.test(message))
    return new ObjectStoreError(
      'denied',
      `gs://${bucket}: its users pay for the requests`,
      'Add --requester-pays, with GOOGLE_CLOUD_PROJECT=<the project that pays>.',
      error,
    );
  const isBucket = status === 404 && /bucket does not exist/i.test(message);
  const noCredentials = /default credentials|invalid_grant|could not refresh access token/i.test(message);
  const trouble = isBucket
    ? 'no_bucket'
    : noCredentials
      ? 'credentials'
      : (BY_STATUS[status] ??
        (status >= 400 && status < 500 && status !== 429 && status !== 408 ? 'other' : 'temporary'));
  if (trouble === 'temporary' || trouble === 'region')
    return networkTrouble(error, where, 'Check --gcs-endpoint (STORAGE_EMULATOR_HOST) and the network.');
  const [what, hint] = TEXTS[trouble];
  const place = trouble === 'no_bucket' ? `gs://${bucket}` : where;
  return new ObjectStoreError(trouble, `${place}: ${what}`, hint, error);
}
