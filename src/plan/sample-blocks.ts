import { seededRandom } from '../lib/seeded-random.js';
import type { Manifest, Source } from '../manifest/index.js';

/** A stretch of a source's bytes; the lines that begin in it are read. */
export interface Block {
  source: Source;
  start: number;
  end: number;
}

const LEAST_BLOCK = 64 * 1024;
const MOST_BLOCKS = 2_000;
/** Fewer blocks say nothing about the error of an estimate. */
const FEWEST_BLOCKS = 20;

/**
 * Blocks that together are this share of the sources' bytes. There is one at a random place in each of as many equal
 * stretches, so the whole manifest is seen. Null when the sources are too small for it: then all is read.
 *
 * @param random gives numbers from 0 up to 1; the same numbers choose the same blocks
 */
export function chooseBlocks(
  sources: readonly Source[],
  share: number,
  random: () => number,
): Block[] | null {
  const total = sources.reduce((sum, { size }) => sum + (size ?? 0), 0);
  const size = Math.max(LEAST_BLOCK, Math.ceil((total * share) / MOST_BLOCKS));
  const count = Math.ceil((total * share) / size);
  if (count < FEWEST_BLOCKS) {
    const enough = FEWEST_BLOCKS * LEAST_BLOCK;
    if (total < 4 * enough) return null;
    return place(sources, total, FEWEST_BLOCKS, LEAST_BLOCK, random);
  }
  return place(sources, total, count, size, random);
}

function place(
  sources: readonly Source[],
  total: number,
  count: number,
  size: number,
  random: () => number,
): Block[] {
  const blocks: Block[] = [];
  const stretch = total / count;
  let [index, before] = [0, 0];
  for (let n = 0; n < count; n += 1) {
    const at = Math.floor(n * stretch + random() * Math.max(1, stretch - size));
    while (index < sources.length - 1 && at >= before + (sources[index]?.size ?? 0)) {
      before += sources[index]?.size ?? 0;
      index += 1;
    }
    const source = sources[index];
    if (source === undefined) break;
    const start = at - before;
    blocks.push({ source, start, end: Math.min(start + size, source.size ?? 0) });
  }
  return blocks;
}

/** The same numbers for the same version of a manifest. */
export const randomOf = ({ version }: Pick<Manifest, 'version'>): (() => number) =>
  seededRandom(Number.parseInt(version.slice(0, 8), 16) || 1);
