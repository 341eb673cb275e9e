import { expect, test } from 'vitest';
import { linesPerChunk } from '../../src/producers/pack.js';
import { CHUNK_LINES } from '../../src/queues/chunk.js';

test.each([
  // No limit is known: nothing tells that fewer would spread better.
  { rate: null, processes: 1, lines: CHUNK_LINES },
  { rate: null, processes: 50, lines: CHUNK_LINES },
  // Half a second of the rate, shared by the processes.
  { rate: 1_000, processes: 1, lines: CHUNK_LINES },
  { rate: 200, processes: 1, lines: 100 },
  { rate: 199, processes: 1, lines: 99 },
  { rate: 50, processes: 1, lines: 25 },
  { rate: 200, processes: 4, lines: 25 },
  { rate: 50, processes: 4, lines: 6 },
  // One at least, however low the rate and however many share it.
  { rate: 2, processes: 1, lines: 1 },
  { rate: 0.35, processes: 1, lines: 1 },
  { rate: 0, processes: 1, lines: 1 },
  { rate: 10, processes: 100, lines: 1 },
  // Nobody has said that it is there yet: the one that asks will be.
  { rate: 100, processes: 0, lines: 50 },
])('$rate calls/s for $processes processes: $lines lines a job', ({ rate, processes, lines }) => {
  expect(linesPerChunk(rate, processes)).toBe(lines);
});
