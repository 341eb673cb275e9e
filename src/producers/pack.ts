import { CHUNK_LINES } from '../queues/chunk.js';

/** A chunk is what one process sends in about this time, s: then work spreads, and a crash repeats little. */
const CHUNK_SECONDS = 0.5;

/**
 * How many lines travel in one job.
 *
 * @param rate Gateway calls per second allowed to the key; null when no limit is known
 * @param processes that consume the run
 */
export function linesPerChunk(rate: number | null, processes: number): number {
  if (rate === null) return CHUNK_LINES;
  return Math.min(CHUNK_LINES, Math.max(1, Math.floor((rate * CHUNK_SECONDS) / Math.max(1, processes))));
}
