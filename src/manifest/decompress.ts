import { pipeline, Readable } from 'node:stream';
import zlib from 'node:zlib';
import { IngestError } from '../errors.js';
import { manifestError } from './stores/store.js';
import type { Compression } from './types.js';
import { unzstd } from './unzstd.js';

/** As the chunks of files: greater ones are slower to parse. */
const OUTPUT_CHUNK_BYTES = 64 * 1024;

/** What the first bytes say, since names can lie; no bytes, no compression. */
export function compressionOf(name: string, head: Uint8Array): Compression | null {
  const magic = magicOf(head);
  const byName = /\.gz$/i.test(name) ? 'gzip' : /\.zst$/i.test(name) ? 'zstd' : null;
  // A server may have unpacked it on the way: then it begins like JSON.
  if (magic === null && byName !== null && head.length > 0 && head[0] !== 0x7b) {
    throw manifestError(
      `${name} is not ${byName} data, whatever its name says`,
      'Check how it was made, or rename it.',
    );
  }
  return magic;
}

/** The compression that a source's first four bytes stand for. */
export function magicOf([a, b, c, d]: Uint8Array): Compression | null {
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (b === 0xb5 && a === 0x28 && c === 0x2f && d === 0xfd) return 'zstd';
  // A skippable frame, which parallel compressors put first.
  if (a !== undefined && a >= 0x50 && a <= 0x5f && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd';
  return null;
}

/** Unpacked bytes; every member or frame of the source, one after the other. */
export async function* decompress(
  bytes: AsyncIterable<Uint8Array>,
  compression: Compression,
  name: string,
): AsyncIterable<Uint8Array> {
  const progress = { consumed: 0 };
  const unpack = compression === 'gzip' ? gunzip : unzstd;
  try {
    yield* unpack(counted(bytes, progress));
  } catch (cause) {
    throw cause instanceof IngestError || isAbort(cause)
      ? cause
      : damaged(cause, compression, name, progress.consumed);
  }
}

function gunzip(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const unpack = zlib.createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES });
  // Ends both when one fails or the reader leaves; a failure reaches the reader of `unpack`.
  pipeline(Readable.from(bytes, { objectMode: false }), unpack, () => undefined);
  return unpack;
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  progress: { consumed: number },
): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    progress.consumed += chunk.length;
    yield chunk;
  }
}

const isAbort = (error: unknown) => error instanceof Error && error.name === 'AbortError';

function damaged(cause: unknown, compression: Compression, name: string, byte: number): IngestError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const cut = /unexpected (end of file|eof)/i.test(reason);
  const what = cut
    ? `${compression} data is cut off at byte ${byte}`
    : `${compression} data is damaged before byte ${byte}`;
  return manifestError(
    `${name}: ${what} (${reason})`,
    'Get the file again; lines before this point were read.',
    cause,
  );
}
