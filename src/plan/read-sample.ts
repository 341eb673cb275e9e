import { plus, type Range } from '../lib/range.js';
import { lookAtAll, type Manifest, type RawLine, readLines, type Source } from '../manifest/index.js';
import { type BlockCounts, estimateTotals } from './estimate.js';
import type { ReadOptions } from './read-all.js';
import { type Block, chooseBlocks, randomOf } from './sample-blocks.js';
import type { createTally } from './tally.js';

type Tally = ReturnType<typeof createTally>;

/** The content of the whole manifest, as a sample shows it. */
export interface SampleEstimate {
  lines: Range;
  valid: Range;
  /** Bytes of valid lines. */
  validBytes: Range;
  /** Unpacked bytes: exact where nothing is compressed. */
  bytes: Range;
  blocks: number;
  /** Unpacked bytes that were checked. */
  checked: number;
}

/**
 * Reads a share of the manifest into the tally. Only blocks are read of sources that can be reopened anywhere; the
 * others are read to their end, and a share of their lines is checked. Null when the manifest is so small that all of
 * it should be read: then nothing has been.
 */
export async function readSample(
  manifest: Manifest,
  share: number,
  tally: Tally,
  options: ReadOptions,
): Promise<SampleEstimate | null> {
  const random = randomOf(manifest);
  const sources: Source[] = [];
  for await (const source of lookAtAll(manifest.sources, options)) sources.push(source);
  const isSeekable = (source: Source) => source.seekable && source.size !== null;
  const seekable = sources.filter(isSeekable);
  const streamed = sources.filter((source) => !isSeekable(source));
  const blocks = seekable.length > 0 ? chooseBlocks(seekable, share, random) : [];
  if (blocks === null) return null;

  const estimates: SampleEstimate[] = [];
  if (blocks.length > 0) {
    const whole = seekable.reduce((sum, { size }) => sum + (size ?? 0), 0);
    const counts: BlockCounts[] = [];
    for (const block of blocks) counts.push(await readBlock(block, tally, options));
    estimates.push(estimateOf(counts, whole, { expected: whole, low: whole, high: whole }));
  }
  if (streamed.length > 0) estimates.push(await readStreams(streamed, share, tally, random, options));
  return estimates.reduce((a, b) => ({
    lines: plus(a.lines, b.lines),
    valid: plus(a.valid, b.valid),
    validBytes: plus(a.validBytes, b.validBytes),
    bytes: plus(a.bytes, b.bytes),
    blocks: a.blocks + b.blocks,
    checked: a.checked + b.checked,
  }));
}

/** The lines that begin in the block: the one that its start falls into began before it. */
async function readBlock(
  { source, start, end }: Block,
  tally: Tally,
  options: ReadOptions,
): Promise<BlockCounts> {
  const counted = counting(tally);
  let partial = start > 0;
  reading: for await (const batch of readLines(source, { line: 0, offset: start }, options)) {
    for (const raw of batch) {
      if (raw.end - raw.bytes >= end) break reading;
      if (!partial) tally.add(source, raw, false, raw.end - raw.bytes);
      partial = false;
    }
    options.onRead(tally.lines(), tally.bytes());
  }
  return counted(end - start);
}

async function readStreams(
  sources: readonly Source[],
  share: number,
  tally: Tally,
  random: () => number,
  options: ReadOptions,
): Promise<SampleEstimate> {
  const counts: BlockCounts[] = [];
  let [lines, bytes] = [0, 0];
  for (const source of sources) {
    for await (const batch of readLines(source, { line: 0, offset: 0 }, options)) {
      lines += batch.length;
      for (const raw of batch) bytes += raw.bytes;
      if (random() < share || counts.length === 0) counts.push(addBatch(source, batch, tally));
      options.onRead(lines, bytes);
    }
  }
  return estimateOf(counts, lines, { expected: bytes, low: bytes, high: bytes });
}

function addBatch(source: Source, batch: readonly RawLine[], tally: Tally): BlockCounts {
  const counted = counting(tally);
  for (const raw of batch) tally.add(source, raw, false);
  return counted(batch.length);
}

/** Remembers the tally's counts; the returned function gives the counts added since. */
function counting(tally: Tally): (measure: number) => BlockCounts {
  const now = () => [tally.lines(), tally.valid(), tally.validBytes(), tally.bytes()];
  const before = now();
  return (measure) => ({ measure, counts: now().map((count, index) => count - (before[index] ?? 0)) });
}

function estimateOf(blocks: readonly BlockCounts[], whole: number, bytes: Range): SampleEstimate {
  const nothing = { expected: 0, low: 0, high: 0 };
  const [lines = nothing, valid = nothing, validBytes = nothing] = estimateTotals(blocks, whole);
  const checked = blocks.reduce((sum, { counts }) => sum + (counts[3] ?? 0), 0);
  return { lines, valid, validBytes, bytes, blocks: blocks.length, checked };
}
