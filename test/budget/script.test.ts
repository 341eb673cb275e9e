import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ask } from '../../src/budget/ask.js';
import { budgetScript } from '../../src/budget/script.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

let redis: Redis;
beforeAll(() => {
  redis = new Redis(testRedis().socketPath);
});
afterAll(() => redis.disconnect());

const START = 1_700_000_000_000;
const want = (n: number) => [{ flow: 'submit:', kind: 'submit', weight: 1, n }];

/** A key's budget as one process asks it. `twice`: each ask is sent again, as a client does whose connection broke. */
function process(key: string, from: string, twice = false) {
  const run = budgetScript(redis, key);
  let seq = 0;
  return async (now: number, ask: Ask) => {
    seq += 1;
    const whole = { ...ask, now: START + now, from, seq };
    const first = await run(whole);
    return twice ? run(whole) : first;
  };
}

const newKey = () => `${uniquePrefix()}:budget:{k}`;

/** What the state holds of what was told. */
async function told(key: string) {
  const lua = `local S = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    return cjson.encode({ recent = S.recent, purse = S.purse, failed = S.failed, command = S.command, epoch = S.epoch, mode = S.mode })`;
  return JSON.parse(String(await redis.eval(lua, 1, key))) as Record<string, unknown>;
}

describe('an ask that arrives twice', () => {
  const story: [number, Ask][] = [
    [0, { want: want(3), joined: true }],
    [100, { ok: 3, good: 3, want: want(4) }],
    [300, { ok: 2, good: 4, throttled: [{ epoch: 1, n: 2, retryAfter: 0, canary: false }] }],
    [310, { failed: 5 }],
    [320, { command: 40 }],
    [330, { want: want(1), policy: 7 }],
  ];

  it('tells nothing twice', async () => {
    const [once, twice] = [newKey(), newKey()];
    const [a, b] = [process(once, 'a'), process(twice, 'a', true)];
    for (const [now, ask] of story) {
      await a(now, ask);
      await b(now, ask);
      expect(await told(twice)).toEqual(await told(once));
    }
  });

  it('is answered in the same words: the pause it opened, the canary it was given', async () => {
    const ask = process(newKey(), 'a', true);
    await ask(0, { want: want(1) });
    const opened = await ask(50, { good: 1, throttled: [{ epoch: 1, n: 1, retryAfter: 0, canary: false }] });
    expect(opened.opened).toBeGreaterThan(0);
    const canary = await ask(50 + opened.opened + 1, { want: want(1) });
    expect(canary).toMatchObject({ canary: true, slots: [{ n: 1 }] });
  });

  it('of another process is heard all the same', async () => {
    const key = newKey();
    const [a, b] = [process(key, 'a'), process(key, 'b')];
    await a(0, { ok: 1 });
    await a(10, { ok: 1 });
    await b(20, { ok: 1 });
    expect((await told(key)).recent).toEqual([[START, 3, 0]]);
  });
});

describe("Redis' clock", () => {
  it('set back by minutes holds nobody', async () => {
    const ask = process(newKey(), 'a');
    const flag = 100;
    await ask(0, { flag, want: want(50) });
    await ask(500, { flag, want: want(50) });
    const after = await ask(500 - 300_000, { flag, want: want(50) });
    expect(after.slots[0]?.n === 0 ? after.slots[0].wait : 0).toBeLessThan(50);
    const later = await ask(600 - 300_000, { flag, want: want(50) });
    expect(later.slots[0]?.n).toBeGreaterThan(0);
  });

  it('set back keeps a pause as long as it was, and no wait is longer than 5 s', async () => {
    const ask = process(newKey(), 'a');
    await ask(0, { want: want(1) });
    await ask(10, { throttled: [{ epoch: 1, n: 1, retryAfter: 60_000, canary: false }] });
    const before = await ask(1_010, { want: want(1) });
    expect(before.pausedFor).toBe(59_000);
    expect(before.slots[0]?.wait).toBe(5_000);
    expect((await ask(1_010 - 600_000, {})).pausedFor).toBe(59_000);
    expect((await ask(31_010 - 600_000, {})).pausedFor).toBe(29_000);
  });
});

describe('headers', () => {
  it('of the first answer are where the search begins', async () => {
    const ask = process(newKey(), 'a');
    expect(await ask(0, { want: want(1) })).toMatchObject({ mode: 'ramp', rate: 20 });
    const { mode, rate } = await ask(50, { ok: 1, guess: 300 });
    expect(mode).toBe('cruise');
    expect(rate).toBeGreaterThan(250);
  });
});

it('a stop is counted as long as it lasts, over everybody', async () => {
  const ask = process(newKey(), 'a');
  await ask(0, { want: want(1) });
  await ask(10, { throttled: [{ epoch: 1, n: 1, retryAfter: 3_000, canary: false }] });
  expect((await ask(2_010, {})).heldMs).toBe(2_000);
  const canary = await ask(3_010, { want: want(1) });
  await ask(3_100, { ok: 1, canary: { epoch: canary.epoch, ok: true, failed: false } });
  expect((await ask(9_000, {})).heldMs).toBe(3_090);
});
