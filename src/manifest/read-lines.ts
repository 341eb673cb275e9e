import { IngestError } from '../lib/errors.js';
import { type ContentDigest, type ContentSeen, contentDigest } from './content-digest.js';
import { decompress, magicOf } from './decompress.js';
import { createLineSplitter } from './line-splitter.js';
import { lookAt } from './open.js';
import { storeOf } from './sources/registry.js';
import { type ReadOptions, sourceChanged } from './sources/store.js';
import type { Position, RawLine, Source } from './types.js';

export interface ReadLinesOptions extends ReadOptions {
  /** The most bytes a line may have, newline not counted (1 MiB). */
  maxLineBytes?: number;
  /** Receives all unpacked bytes, also those before `from`. Only for a source that is read from its start. */
  digest?: ContentDigest | null;
}

const MAX_LINE_BYTES = 1024 * 1024;

/**
 * A source's lines after `from`, in batches of what one chunk completes; reads on only when asked for the next one.
 *
 * @throws IngestError `source_changed` when the source is not the one that was opened, is damaged, or cannot be read to
 * its end; the signal's reason when aborted.
 */
export async function* readLines(
  opened: Source,
  from: Position,
  { maxLineBytes = MAX_LINE_BYTES, digest = null, ...options }: ReadLinesOptions = {},
): AsyncIterable<RawLine[]> {
  const source = await known(opened, options);
  const start = source.seekable ? from.offset : 0;
  const bytes = unpacked(source, stored(source, start, options));
  const splitter = createLineSplitter(from, maxLineBytes);
  const shown = digest === null ? bytes : showing(bytes, digest);
  for await (const chunk of skip(shown, from.offset - start, displayName(source))) {
    options.signal?.throwIfAborted();
    const lines = await splitter.push(chunk);
    if (lines.length > 0) yield lines;
  }
  const last = await splitter.end();
  if (last.length > 0) yield last;
}

/**
 * Reads a stream as far as a run had read it, to its end when `whole`.
 *
 * @throws IngestError `source_changed` when it is not what was read before.
 */
export async function checkContent(
  source: Source,
  seen: ContentSeen & { whole: boolean },
  options: ReadOptions,
): Promise<void> {
  const name = displayName(source);
  const digest = contentDigest();
  let same = false;
  for await (const chunk of unpacked(source, storeOf(source.uri).openRange(source, 0, options))) {
    digest.push(chunk);
    if (digest.size() < seen.offset) continue;
    if (!same && digest.at(seen.offset) !== seen.digest)
      throw sourceChanged(name, `its first ${seen.offset} bytes are not those that were read before`);
    same = true;
    if (!seen.whole) return;
    if (digest.size() > seen.offset)
      throw sourceChanged(name, `it goes on after the ${seen.offset} bytes that were all of it before`);
  }
  if (!same) throw endsEarly(name, seen.offset - digest.size());
}

/**
 * The first unpacked bytes of a source, and whether they are all. A stream gives no more than its first line needs:
 * the rest may be long in coming.
 */
export async function readHead(
  opened: Source,
  most: number,
  options: ReadOptions,
): Promise<{ head: Buffer; whole: boolean }> {
  const source = await lookAt(opened, options);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of unpacked(source, stored(source, 0, options))) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= most || (source.spool !== undefined && chunk.includes(0x0a)))
      return { head: Buffer.concat(chunks), whole: false };
  }
  return { head: Buffer.concat(chunks), whole: true };
}

/** The name of a source in messages. */
export const displayName = ({ name, spool }: Source) => (spool === undefined ? name : 'standard input');

const known = (source: Source, options: ReadOptions): Promise<Source> =>
  lookAt(source, options).catch((error: unknown) => {
    throw asChanged(source, error);
  });

async function* stored(source: Source, start: number, options: ReadOptions): AsyncIterable<Uint8Array> {
  try {
    yield* storeOf(source.uri).openRange(source, start, options);
  } catch (error) {
    throw asChanged(source, error);
  }
}

/** The source was readable when it was opened. So an error of its store means that it has changed. */
function asChanged(source: Source, error: unknown): unknown {
  if (!(error instanceof IngestError) || error.code !== 'manifest' || source.spool !== undefined)
    return error;
  const { message, hint, cause } = error;
  return new IngestError('source_changed', message, { ...(hint !== undefined && { hint }), cause });
}

async function* unpacked(source: Source, stored: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (source.compression !== null) return yield* decompress(stored, source.compression, source.name);
  if (source.spool === undefined) return yield* stored;
  // The compression of standard input is known only when it is read.
  const peeked = await peek(stored, 4);
  const compression = magicOf(peeked.head);
  yield* compression === null ? peeked.all : decompress(peeked.all, compression, displayName(source), 0);
}

/** The first bytes of a stream, and the stream with them. */
async function peek(bytes: AsyncIterable<Uint8Array>, count: number) {
  const iterator = bytes[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  while (head.length < count) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncIterable<Uint8Array> {
    try {
      yield head;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      // The reader may stop after the first bytes.
      await iterator.return?.();
    }
  }
  return { head, all: all() };
}

async function* showing(bytes: AsyncIterable<Uint8Array>, digest: ContentDigest): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    digest.push(chunk);
    yield chunk;
  }
}

async function* skip(
  bytes: AsyncIterable<Uint8Array>,
  count: number,
  name: string,
): AsyncIterable<Uint8Array> {
  let left = count;
  for await (const chunk of bytes) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
  if (left > 0) throw endsEarly(name, left);
}

const endsEarly = (name: string, bytes: number) =>
  sourceChanged(name, `it ends ${bytes} bytes before the place where the run stopped`);
