import type { Readable } from 'node:stream';
import zlib from 'node:zlib';
import { ASGResponseError } from './errors.js';
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

export interface AnswerHead {
  operation: Operation;
  status: number;
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
}

/** By events: an iteration costs as much as the rest of a small answer. */
function collect(body: Readable, most: number, tooLarge: () => Error): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    body.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > most) reject(tooLarge());
      else chunks.push(chunk);
    });
    body.on('error', reject);
    body.on('end', () => {
      const [first] = chunks;
      resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks));
    });
  });
}

/**
 * The text of an answer, unpacked if it was packed unasked, never more than an answer to this operation can have.
 *
 * @throws ASGResponseError for one that is larger, or in an encoding that cannot be decoded
 */
export async function textOf(body: Readable, { operation, status, headers }: AnswerHead): Promise<string> {
  const most = MOST_BYTES_OF[operation] ?? MOST_BYTES;
  const fail = (why: string, cause?: unknown) => {
    // Not read to its end, the connection with it.
    body.on('error', () => undefined).destroy();
    return new ASGResponseError(
      `${operation}: ${why} (HTTP ${status})`,
      status,
      headers['content-type'],
      cause === undefined ? undefined : { cause },
    );
  };
  const tooLarge = (cause?: unknown) => fail(`the answer has more than ${most / MIB} MiB`, cause);
  if (Number(headers['content-length'] ?? 0) > most) throw tooLarge();
  const bytes = await collect(body, most, tooLarge);
  const encoding = (headers['content-encoding'] ?? '').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity' || bytes.length === 0) return bytes.toString('utf8');
  const decode = Object.hasOwn(DECODE, encoding) ? DECODE[encoding] : undefined;
  if (decode === undefined) throw fail(`the answer is in an encoding that was not asked for (${encoding})`);
  try {
    return decode(bytes, { maxOutputLength: most }).toString('utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(error);
    throw fail(`the answer is not the ${encoding} data that it says it is`, error);
  }
}
