import { type Range, within } from '../lib/range.js';

/** A block of a sample: its size and its counts. */
export interface BlockCounts {
  /** In the unit that the whole is measured in: bytes, or lines. */
  measure: number;
  counts: number[];
}

/**
 * The counts of the whole, by the ratio of count to measure (Cochran, Sampling Techniques, 6.3). The error bound
 * follows from the differences between blocks: two standard errors. Where nothing was counted at all, three in the
 * whole sample would have been missed in one of 20 cases.
 */
export function estimateTotals(blocks: readonly BlockCounts[], whole: number): Range[] {
  const measured = blocks.reduce((sum, { measure }) => sum + measure, 0);
  const n = blocks.length;
  return (blocks[0]?.counts ?? []).map((_first, index) => {
    const counted = blocks.reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0);
    const scale = measured > 0 ? whole / measured : 0;
    if (counted === 0) return { expected: 0, low: 0, high: Math.ceil(3 * scale) };
    const ratio = counted / measured;
    const squares = blocks.reduce(
      (sum, { measure, counts }) => sum + ((counts[index] ?? 0) - ratio * measure) ** 2,
      0,
    );
    const unseen = Math.max(0, 1 - measured / whole);
    const error = n > 1 ? 2 * scale * Math.sqrt(((n * unseen) / (n - 1)) * squares) : counted * scale;
    return within(counted * scale, error);
  });
}
