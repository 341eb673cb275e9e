import { describe, expect, test } from 'vitest';
import { createLimiter } from '../../src/sandbox/limiter.js';

type Kind = Parameters<typeof createLimiter>[1];
const make = (kind: Kind, rate: number, burst?: number) => createLimiter(rate, kind, burst);

/** Calls allowed when one is tried each ms in [from, to). */
function allowed(limiter: ReturnType<typeof make>, from: number, to: number): number {
  let count = 0;
  for (let now = from; now < to; now += 1) if (limiter.take(now) === 0) count += 1;
  return count;
}

describe.each(['bucket', 'fixed', 'sliding'] as const)('%s', (kind) => {
  test.each([10, 2.5, 0.5])('allows %d calls per second in the long run', (rate) => {
    const limiter = make(kind, rate);
    allowed(limiter, 0, 10_000);
    expect(Math.abs(allowed(limiter, 10_000, 70_000) - 60 * rate)).toBeLessThanOrEqual(1);
  });

  test('names the wait after which a call is allowed, and no shorter one', () => {
    const limiter = make(kind, 4);
    allowed(limiter, 0, 100);
    const wait = limiter.take(100);
    expect(wait).toBeGreaterThan(1);
    expect(limiter.take(100 + wait - 2)).toBeGreaterThan(0);
    expect(limiter.take(100 + wait)).toBe(0);
  });

  test('tells how many calls are left', () => {
    const limiter = make(kind, 5);
    expect(limiter.remaining(0)).toBe(5);
    limiter.take(0);
    limiter.take(0);
    expect(limiter.remaining(0)).toBe(3);
  });
});

test('a bucket holds a burst and refills evenly', () => {
  const limiter = make('bucket', 10, 3);
  expect(allowed(limiter, 0, 3)).toBe(3);
  expect(limiter.take(3)).toBeGreaterThan(0);
  expect(limiter.take(110)).toBe(0);
});

test('a fixed window lets twice its calls through across its border, a sliding one does not', () => {
  const across = (kind: 'fixed' | 'sliding') => {
    const limiter = make(kind, 10);
    return allowed(limiter, 990, 1_000) + allowed(limiter, 1_000, 1_010);
  };
  expect(across('fixed')).toBe(20);
  expect(across('sliding')).toBe(10);
});
