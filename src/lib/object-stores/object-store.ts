/** The place of an object. */
export interface ObjectPlace {
  bucket: string;
  key: string;
}

export interface ObjectHead {
  /** Changes whenever the content does: ETag, or generation. */
  version: string;
  /** Bytes as read; null when unknown before they are. */
  size: number | null;
  /** Whether `read` reaches a byte without those before it. Default true. */
  ranges?: boolean;
  /** The first bytes, enough for a magic number. */
  head: Uint8Array;
}

/** A list's facts about an object. */
export interface ListedObject {
  key: string;
  /** As `head` gives it. */
  version: string;
  /** Bytes as stored. */
  size: number;
}

/** Why a call failed, as far as that decides what happens next. */
export type ObjectTrouble =
  /** There is no such object. */
  | 'gone'
  /** The object is not of the version that was asked for. */
  | 'changed'
  | 'no_bucket'
  | 'denied'
  /** None were found, or they were refused. */
  | 'credentials'
  | 'region'
  /** It may go better in a moment: a busy server, a broken connection. */
  | 'temporary'
  | 'other';

/** A failed call to an object store. The message is one sentence without secrets. */
export class ObjectStoreError extends Error {
  override readonly name = 'ObjectStoreError';

  constructor(
    readonly trouble: ObjectTrouble,
    message: string,
    /** The remedy for the user. */
    readonly hint: string,
    cause?: unknown,
  ) {
    super(withoutQueries(message), { cause: withoutQueriesIn(cause) });
  }
}

/** Anyone who knows the URL of a resumable upload may write to it: the part after the path is not shown. */
const withoutQueries = (text: string) => text.replace(/(https?:\/\/[^\s?]+)\?\S*/gi, '$1');

function withoutQueriesIn(cause: unknown): unknown {
  if (!(cause instanceof Error) || withoutQueries(cause.message) === cause.message) return cause;
  const { name, stack = '' } = cause;
  return Object.assign(new Error(withoutQueries(cause.message)), { name, stack: withoutQueries(stack) });
}

/**
 * The operations that manifests and results need, alike for S3 and Google Cloud Storage. All methods reject with an
 * `ObjectStoreError`.
 */
export interface ObjectStore {
  readonly kind: 's3' | 'gs';
  head(place: ObjectPlace, signal?: AbortSignal): Promise<ObjectHead>;
  /** The object's bytes from `start` on, over one connection; `changed` or `gone` when it is not of `version` any more. */
  read(place: ObjectPlace, start: number, version: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** The objects under a prefix, by the UTF-8 bytes of their keys. With `flat`, only keys without a further `/`. */
  list(bucket: string, prefix: string, options?: { flat?: boolean }): AsyncIterable<ListedObject>;
  /** Writes an object of any size whole or not at all, in constant memory. */
  write(place: ObjectPlace, bytes: AsyncIterable<Buffer>): Promise<void>;
  /** Writes a small object; false when there is one already. */
  create(place: ObjectPlace, text: string): Promise<boolean>;
  copy(from: ObjectPlace, to: ObjectPlace): Promise<void>;
  /** Whether the store takes an object that is sent with a checksum header; overwrites it. */
  takesChecksums?(place: ObjectPlace): Promise<boolean>;
  /** Also when it is not there. */
  remove(place: ObjectPlace): Promise<void>;
}

/** `s3://bucket/key` in parts; null for anything else. A key may hold any character. */
export function parseObjectUri(uri: string): (ObjectPlace & { scheme: 's3' | 'gs' }) | null {
  const match = /^(s3|gs):\/\/([^/]+)(?:\/(.*))?$/is.exec(uri);
  if (match === null) return null;
  const [, scheme = '', bucket = '', key = ''] = match;
  return { scheme: scheme.toLowerCase() as 's3' | 'gs', bucket, key };
}

export const objectUri = (scheme: 's3' | 'gs', { bucket, key }: ObjectPlace) =>
  `${scheme}://${bucket}/${key}`;

/** A whole object as text. */
export async function readText(store: ObjectStore, place: ObjectPlace): Promise<string | null> {
  try {
    const { version } = await store.head(place);
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.read(place, 0, version)) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    if (error instanceof ObjectStoreError && error.trouble === 'gone') return null;
    throw error;
  }
}

const NETWORK_CODES = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

/** The parts that both SDKs' errors share: addresses that do not answer, and the rest. */
export function networkTrouble(error: unknown, where: string, endpointHint: string): ObjectStoreError {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const reason = String(message || code || error).split('\n')[0];
  if (typeof code === 'string' && NETWORK_CODES.has(code))
    return new ObjectStoreError('temporary', `${where}: no connection (${code})`, endpointHint, error);
  return new ObjectStoreError(
    'temporary',
    `${where}: ${reason}`,
    'Check the network and the service.',
    error,
  );
}
