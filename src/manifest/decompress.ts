import zlib from 'node:zlib';
import { IngestError } from '../lib/errors.js';
import { readBytes } from './byte-reader.js';
import { gunzip, unpacked } from './gunzip.js';
import { manifestError } from './sources/store.js';
import type { Compression } from './types.js';
import { unzstd } from './unzstd.js';

/** This many bytes are held back until the source has ended without damage, or is longer than that. */
const HELD_BYTES = 4 * 1024 * 1024;

/** The compression by the first bytes, since names can be wrong. An empty source has none. */
export function compressionOf(name: string, head: Uint8Array): Compression | null {
  const magic = magicOf(head);
  const byName = /\.gz$/i.test(name) ? 'gzip' : /\.zst$/i.test(name) ? 'zstd' : null;
  // A server may have decompressed it already: then it begins like JSON.
  if (magic === null && byName !== null && head.length > 0 && head[0] !== 0x7b) {
    throw manifestError(
      `${name} is not ${byName} data, whatever its name says`,
      'Check how it was made, or rename it.',
    );
  }
  return magic;
}

/** The compression by a source's first four bytes. */
export function magicOf([a, b, c, d]: Uint8Array): Compression | null {
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (b === 0xb5 && a === 0x28 && c === 0x2f && d === 0xfd) return 'zstd';
  // A skippable frame: parallel compressors begin with one.
  if (a !== undefined && a >= 0x50 && a <= 0x5f && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd';
  return null;
}

const SHOWN_BY_BYTES = new Set(['gzip', 'x-gzip', 'zstd']);

/**
 * The compression that a server's `Content-Encoding` adds to the first bytes; null when none.
 *
 * @throws IngestError `manifest` for one that cannot be decoded
 */
export function encodingOf(name: string, encoding: string | undefined): Compression | null {
  if (encoding === undefined || SHOWN_BY_BYTES.has(encoding)) return null;
  if (encoding === 'br' || encoding === 'deflate') return encoding;
  throw manifestError(
    `${name}: the server sends it in an encoding that cannot be decoded (content-encoding: ${encoding})`,
    'Have it sent as it is, or in gzip, zstd, br or deflate.',
  );
}

const UNPACK: Readonly<Record<Compression, (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>>> =
  { gzip: gunzip, zstd: unzstd, br: unbrotli, deflate: inflate };

/**
 * The unpacked bytes of all members or frames, in order. Damage in a small source is found before any byte is given
 * out. Not so for a stream, whose end may come late (`heldBytes` 0).
 *
 * @throws IngestError `source_changed` when the data is damaged or cut off
 */
export async function* decompress(
  bytes: AsyncIterable<Uint8Array>,
  compression: Compression,
  name: string,
  heldBytes = HELD_BYTES,
): AsyncIterable<Uint8Array> {
  const progress = { consumed: 0 };
  try {
    yield* heldBack(UNPACK[compression](counted(bytes, progress)), heldBytes);
  } catch (cause) {
    throw cause instanceof IngestError || isAbort(cause)
      ? cause
      : damaged(cause, compression, name, progress.consumed);
  }
}

async function* unbrotli(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = readBytes(bytes);
  try {
    yield* unpacked(reader, zlib.createBrotliDecompress());
    await nothingFollows(reader.some(1));
  } finally {
    await reader.close();
  }
}

/** With zlib's header, as the standard has it, or without, as some servers send it. */
async function* inflate(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = readBytes(bytes);
  try {
    const head = await reader.upTo(2);
    const [a = 0, b = 0] = head;
    const hasHeader = (a & 0x0f) === 8 && (a * 256 + b) % 31 === 0;
    reader.putBack(head);
    yield* unpacked(reader, hasHeader ? zlib.createInflate() : zlib.createInflateRaw());
    await nothingFollows(reader.some(1));
  } finally {
    await reader.close();
  }
}

async function nothingFollows(more: Promise<Uint8Array>): Promise<void> {
  if ((await more).length > 0) throw new Error('more bytes follow its end');
}

async function* heldBack(bytes: AsyncIterable<Uint8Array>, most: number): AsyncIterable<Uint8Array> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    if (length >= most) yield chunk;
    else {
      held.push(chunk);
      length += chunk.length;
      if (length < most) continue;
      yield* held;
      held = [];
    }
  }
  yield* held;
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
  return new IngestError('source_changed', `${name}: ${what} (${reason})`, {
    hint: 'Get the file again; lines before this point were read.',
    cause,
  });
}
