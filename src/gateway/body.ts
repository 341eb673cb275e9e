import zlib from 'node:zlib';
import { ASGResponseError } from './errors.js';
import type { Answer } from './exchange.js';
import type { Operation } from './types.js';

const MIB = 1024 * 1024;
const MOST_BYTES = MIB;
/** Answers that hold something of many tasks. */
const MOST_BYTES_OF: Readonly<Partial<Record<Operation, number>>> = {
  batch: 16 * MIB,
  webhook_list: 16 * MIB,
  usage: 16 * MIB,
  invoices: 16 * MIB,
};

const DECODE: Readonly<Record<string, (body: Buffer, options: { maxOutputLength: number }) => Buffer>> = {
  gzip: zlib.gunzipSync,
  'x-gzip': zlib.gunzipSync,
  deflate: zlib.inflateSync,
  br: zlib.brotliDecompressSync,
};

/** The longest answer to an operation that is taken. */
export const mostBytesOf = (operation: Operation): number => MOST_BYTES_OF[operation] ?? MOST_BYTES;

/**
 * The text of an answer, unpacked if it was packed unasked, never more than an answer to this operation can have; or
 * why it cannot be taken: it is longer, or in an encoding that cannot be decoded.
 */
export function textOf(operation: Operation, { status, headers, body }: Answer): string | ASGResponseError {
  const most = mostBytesOf(operation);
  const refused = (why: string, cause?: unknown) =>
    new ASGResponseError(
      `${operation}: ${why} (HTTP ${status})`,
      status,
      headers['content-type'],
      cause === undefined ? undefined : { cause },
    );
  const tooLong = (cause?: unknown) => refused(`the answer has more than ${most / MIB} MiB`, cause);
  if (body === null) return tooLong();
  const encoding = (headers['content-encoding'] ?? '').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity' || body.length === 0) return body.toString('utf8');
  const decode = Object.hasOwn(DECODE, encoding) ? DECODE[encoding] : undefined;
  if (decode === undefined)
    return refused(`the answer is in an encoding that was not asked for (${encoding})`);
  try {
    return decode(body, { maxOutputLength: most }).toString('utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') return tooLong(error);
    return refused(`the answer is not the ${encoding} data that it says it is`, error);
  }
}
