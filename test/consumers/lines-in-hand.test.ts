import { expect, test } from 'vitest';
import { linesInHand } from '../../src/consumers/lines-in-hand.js';

const cruising = (rate: number | null) => ({ rate, mode: 'cruise' as const });

test('a process holds two seconds of its share of the rate, and the calls that are out', () => {
  expect(linesInHand(cruising(5), 4, 0, 100)).toBe(3);
  expect(linesInHand(cruising(5), 1, 0, 100)).toBe(10);
  // Calls of 30 s: half of them are always out.
  expect(linesInHand(cruising(5), 4, 30_000, 100)).toBe(78);
  expect(linesInHand(cruising(0.05), 4, 0, 100)).toBe(1);
});

test('without a limit, or at a high one, it holds all it can', () => {
  expect(linesInHand(cruising(null), 4, 0, 100)).toBe(100);
  expect(linesInHand({ rate: 20, mode: 'ramp' }, 4, 0, 100)).toBe(100);
  expect(linesInHand(cruising(1_000), 4, 0, 100)).toBe(100);
});
