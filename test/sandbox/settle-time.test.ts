import { expect, test } from 'vitest';
import { settleMs } from '../../src/sandbox/settle-time.js';

const times = (settle: Parameters<typeof settleMs>[0]['settle'], disagreeRate = 0) =>
  Array.from({ length: 5_000 }, (_, n) =>
    settleMs({ seed: 1, settle, disagreeRate, disagreeMs: 1_000_000 }, `task ${n}`),
  ).sort((a, b) => a - b);

test('evenly spread between its ends', () => {
  const sorted = times({ minMs: 1_000, maxMs: 5_000 });
  expect(sorted[0]).toBeGreaterThanOrEqual(1_000);
  expect(sorted.at(-1)).toBeLessThanOrEqual(5_000);
  expect(Math.abs((sorted[2_500] ?? 0) - 3_000)).toBeLessThan(150);
});

test('lognormal by its median and 99th percentile', () => {
  const sorted = times({ medianMs: 2_000, p99Ms: 20_000 });
  expect(Math.abs((sorted[2_500] ?? 0) / 2_000 - 1)).toBeLessThan(0.1);
  expect(Math.abs((sorted[4_950] ?? 0) / 20_000 - 1)).toBeLessThan(0.25);
});

test('a share of tasks is disagreed on for long', () => {
  const long = times({ minMs: 0, maxMs: 10 }, 0.1).filter((ms) => ms >= 1_000_000).length;
  expect(Math.abs(long - 500)).toBeLessThan(75);
});
