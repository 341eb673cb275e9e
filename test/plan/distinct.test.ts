import { expect, test } from 'vitest';
import { createDistinct } from '../../src/plan/distinct.js';
import { type Hash64, hashInto } from '../../src/plan/hash.js';

const SEED = { hi: 1, lo: 2 };
const hashOf = (text: string, seed: Readonly<Hash64> = SEED): Hash64 => {
  const hash = { hi: 0, lo: 0 };
  hashInto(hash, text, seed);
  return hash;
};
const url = (n: number) => `https://images.example.org/items/${n}.jpg`;

test('the same text has the same hash, under the same seed only', () => {
  expect(hashOf(url(1))).toEqual(hashOf(url(1)));
  expect(hashOf(url(1))).not.toEqual(hashOf(url(1), { hi: 1, lo: 3 }));
});

test('300,000 addresses that differ in digits: no two of one hash, and each half is spread evenly', () => {
  const count = 300_000;
  const distinct = createDistinct();
  const [his, los] = [new Set<number>(), new Set<number>()];
  const hash = { hi: 0, lo: 0 };
  for (let n = 0; n < count; n += 1) {
    hashInto(hash, url(n), SEED);
    distinct.add(hash);
    his.add(hash.hi);
    los.add(hash.lo);
  }
  expect(distinct.count()).toEqual({ distinct: count, error: 0 });
  // Of so many even draws of 32 bits, ten meet one that was drawn before.
  for (const half of [his, los]) expect(count - half.size).toBeLessThan(60);
});

test('doubles count once, in every order', () => {
  const distinct = createDistinct();
  for (let round = 0; round < 3; round += 1) for (let n = 0; n < 5_000; n += 1) distinct.add(hashOf(url(n)));
  expect(distinct.count()).toEqual({ distinct: 5_000, error: 0 });
});

test('a hash of zeros is a hash like another', () => {
  const distinct = createDistinct();
  distinct.add({ hi: 0, lo: 0 });
  distinct.add({ hi: 0, lo: 0 });
  expect(distinct.count().distinct).toBe(1);
});

test('past the size of its table it estimates, within the error that it gives', () => {
  const distinct = createDistinct(1 << 12);
  for (let n = 0; n < 100_000; n += 1) distinct.add(hashOf(url(n % 60_000)));
  const { distinct: counted, error } = distinct.count();
  expect(error).toBeGreaterThan(0);
  expect(error).toBeLessThan(4_000);
  expect(Math.abs(counted - 60_000)).toBeLessThanOrEqual(error);
});
