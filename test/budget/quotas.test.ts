import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Ask } from '../../src/budget/ask.js';
import { budgetScript } from '../../src/budget/script.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

let redis: Redis;
beforeAll(() => {
  redis = new Redis(testRedis().socketPath);
});
afterAll(() => redis.disconnect());

const START = 1_700_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const want = (n: number) => [{ flow: 'submit:', kind: 'submit', weight: 1, n }];

/** A key's budget as one process asks it, at times of its own. */
function process(key: string, from: string, flags: Partial<Ask> = {}) {
  const run = budgetScript(redis, key);
  let seq = 0;
  return (now: number, ask: Ask = {}) => {
    seq += 1;
    return run({ ...flags, ...ask, now: START + now, from, seq });
  };
}

const newKey = () => `${uniquePrefix()}:budget:{k}`;
const HOURLY = { flag: 1_000, quotas: [[HOUR, 10]] as [number, number][] };

it('a window is shared by all processes, and no stretch of its length has more calls', async () => {
  const key = newKey();
  const [a, b] = [process(key, 'a', HOURLY), process(key, 'b', HOURLY)];
  expect((await a(0, { want: want(4) })).slots).toMatchObject([{ n: 4 }]);
  expect((await b(10 * MINUTE, { want: want(20) })).slots).toMatchObject([{ n: 6 }]);
  const full = await a(10 * MINUTE, { want: want(1) });
  expect(full).toMatchObject({
    slots: [{ n: 0 }],
    quota: { perMs: HOUR, calls: 10, wait: expect.any(Number) },
  });
  // Parts of a 48th: the first four are free again an hour after their part began, or up to 75 s later.
  expect(full.quota?.wait).toBeGreaterThanOrEqual(50 * MINUTE);
  expect(full.quota?.wait).toBeLessThanOrEqual(52 * MINUTE);
  expect((await a(59 * MINUTE, { want: want(1) })).slots).toMatchObject([{ n: 0 }]);
  const later = await b(10 * MINUTE + (full.quota?.wait ?? 0), { want: want(20) });
  expect([later.slots[0]?.n, later.quota?.calls]).toEqual([4, 10]);
});

it.each([0, 24_999, 25_000, 60_000])(
  'a call counts until it is older than the window, wherever in its part it was made: %i ms later',
  async (at) => {
    const a = process(newKey(), 'a', HOURLY);
    expect((await a(at, { want: want(10) })).slots).toMatchObject([{ n: 10 }]);
    const full = await a(at + HOUR - 1, { want: want(1) });
    expect(full.slots).toMatchObject([{ n: 0 }]);
    const wait = full.quota?.wait ?? 0;
    expect((await a(at + HOUR - 1 + wait, { want: want(10) })).slots).toMatchObject([{ n: 10 }]);
  },
);

it('a call that was given out and not made is left; told twice, it is given back once', async () => {
  const key = newKey();
  const run = budgetScript(redis, key);
  const a = process(key, 'a', HOURLY);
  expect((await a(0, { want: want(10) })).slots).toMatchObject([{ n: 10 }]);
  const told = { ...HOURLY, now: START + 1_000, from: 'b', seq: 1, unused: 3 };
  for (let twice = 0; twice < 2; twice += 1) await run(told);
  expect((await a(2_000, { want: want(10) })).slots).toMatchObject([{ n: 3 }]);
});

it('of two windows the fuller one decides; a command outranks the flags, `auto` takes it back', async () => {
  const a = process(newKey(), 'a', {
    flag: 1_000,
    quotas: [
      [HOUR, 10],
      [24 * HOUR, 12],
    ],
  });
  expect((await a(0, { want: want(20) })).slots).toMatchObject([{ n: 10 }]);
  expect((await a(2 * HOUR, { want: want(20) })).slots).toMatchObject([{ n: 2 }]);
  expect((await a(4 * HOUR, { want: want(20) })).quota).toMatchObject({ perMs: 24 * HOUR, calls: 12 });
  await a(4 * HOUR, { command: 0, commandQuotas: [[24 * HOUR, 15]] });
  const commanded = await a(4 * HOUR + 1_000, { want: want(20) });
  expect([commanded.slots[0]?.n, commanded.rate, commanded.source]).toEqual([3, 1_000, 'flag']);
  await a(4 * HOUR + 2_000, { command: 500 });
  const free = await a(4 * HOUR + 3_000, { want: want(5) });
  expect([free.slots[0]?.n, free.quota, free.source]).toEqual([5, undefined, 'command']);
  await a(4 * HOUR + 4_000, { command: 0 });
  expect((await a(4 * HOUR + 5_000, { want: want(5) })).slots).toMatchObject([{ n: 0 }]);
});

it('a process that is gone limits nobody any more; what was used is remembered for its next start', async () => {
  const key = newKey();
  const [a, b] = [process(key, 'a', HOURLY), process(key, 'b', { flag: 1_000 })];
  await a(0, { want: want(10) });
  expect((await b(5_000, { want: want(5) })).slots).toMatchObject([{ n: 0 }]);
  expect((await b(30_000, { want: want(5) })).slots).toMatchObject([{ n: 5 }]);
  expect((await a(40_000, { want: want(5) })).slots).toMatchObject([{ n: 0 }]);
});

it('without a pace the limit is searched for within the window', async () => {
  const a = process(newKey(), 'a', { quotas: [[HOUR, 3]] });
  const first = await a(0, { want: want(20), joined: true });
  const second = await a(1_000, { ok: 1, good: 1, want: want(20) });
  const third = await a(2_000, { ok: 1, good: 1, want: want(20) });
  const given = [first, second, third].map(({ slots }) => slots[0]?.n ?? 0);
  expect(given.reduce((sum, n) => sum + n, 0)).toBe(3);
  expect(third).toMatchObject({ source: 'search', quota: { calls: 3 } });
});
