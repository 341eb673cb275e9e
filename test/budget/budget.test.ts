import { fork } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Budget, BudgetPausedError, createBudget } from '../../src/budget/index.js';
import type { GatewayCall } from '../../src/gateway/types.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

const call = (status: GatewayCall['status'], more: Partial<GatewayCall> = {}): GatewayCall => ({
  operation: 'submit',
  status,
  durationMs: 1,
  headers: {},
  retryAfterMs: undefined,
  ...more,
});

let redis: Redis;
const open: Budget[] = [];

beforeAll(() => {
  redis = new Redis(testRedis().socketPath);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((budget) => budget.close()));
});
afterAll(() => redis.disconnect());

async function budgetOn(key: string, o: { rate?: number; maxHoldMs?: number } = {}): Promise<Budget> {
  const budget = createBudget({ redis, key, ...o });
  open.push(budget);
  await budget.start();
  return budget;
}

const newKey = () => `${uniquePrefix()}:budget:{k}`;

describe('a pause', () => {
  it('is felt by every process, told once, and rejects callers it would hold too long', async () => {
    const key = newKey();
    const [one, two] = [await budgetOn(key), await budgetOn(key)];
    const told: string[] = [];
    one.onPause(({ ms, reason }) => told.push(`one ${reason} ${Math.round(ms / 1000)}`));
    two.onPause(() => told.push('two'));
    const slot = await one.acquire('submit');
    slot.report(call(429, { retryAfterMs: 60_000 }));

    await vi.waitFor(async () => expect((await two.snapshot()).pausedForMs).toBeGreaterThan(0));
    const error = await two.acquire('poll').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BudgetPausedError);
    if (error instanceof BudgetPausedError) {
      expect(error.resumeAt - Date.now()).toBeGreaterThan(50_000);
      expect(error.resumeAt - Date.now()).toBeLessThanOrEqual(60_100);
    }
    await vi.waitFor(() => expect(told).toEqual(['one rate_limited 60']));
  });

  it('is not told to who has stopped hearing of pauses', async () => {
    const one = await budgetOn(newKey());
    const told: string[] = [];
    const stop = one.onPause(() => told.push('stopped'));
    const heard = new Promise((resolve) => one.onPause(resolve));
    stop();
    (await one.acquire('submit')).report(call(429, { retryAfterMs: 60_000 }));
    await heard;
    expect(told).toEqual([]);
  });

  it('rejects those already waiting', async () => {
    const key = newKey();
    const budget = await budgetOn(key, { rate: 1 });
    const first = await budget.acquire('submit');
    const waiting = budget.acquire('submit').catch((reason: unknown) => reason);
    first.report(call(429, { retryAfterMs: 30_000 }));
    expect(await waiting).toBeInstanceOf(BudgetPausedError);
  });

  it('holds callers through a short one, and lets one canary through first', async () => {
    const key = newKey();
    const [one, two] = [await budgetOn(key), await budgetOn(key)];
    const first = await one.acquire('submit');
    const paused = new Promise((resolve) => one.onPause(resolve));
    first.report(call(429));
    await paused;
    let granted = 0;
    const slots = [one, one, two, two].map((budget) =>
      budget.acquire('submit').then((slot) => {
        granted += 1;
        return slot;
      }),
    );
    const canary = await Promise.race(slots);
    await two.snapshot();
    expect(granted).toBe(1);
    canary.report(call(201));
    await Promise.all(slots);
  });
});

describe('acquire', () => {
  it('honours its signal, before and while waiting', async () => {
    const budget = await budgetOn(newKey(), { rate: 1 });
    await expect(budget.acquire('submit', { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    (await budget.acquire('submit')).release();
    const abort = new AbortController();
    const waiting = budget.acquire('submit', { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('rejects with an AbortError once the budget is closed, however often that is asked', async () => {
    const budget = await budgetOn(newKey(), { rate: 1 });
    await budget.acquire('submit');
    const waiting = budget.acquire('submit');
    const rejected = expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await Promise.all([budget.close(), budget.close()]);
    await rejected;
    await expect(budget.acquire('submit')).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('waits while Redis is away', async () => {
    const away = new Redis(testRedis().socketPath, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
    const budget = createBudget({ redis: away, key: newKey() });
    open.push(budget);
    await budget.start();
    away.disconnect(false);
    let granted = false;
    const waiting = budget.acquire('submit').then((slot) => {
      granted = true;
      return slot;
    });
    await once(away, 'end');
    expect(granted).toBe(false);
    await away.connect();
    await waiting;
    await budget.close();
    away.disconnect();
  });
});

describe('limits', () => {
  it('ranks command, flag, header; the command holds everywhere until it is taken back', async () => {
    const key = newKey();
    const [plain, flagged] = [await budgetOn(key), await budgetOn(key, { rate: 300 })];
    const slot = await plain.acquire('submit');
    slot.report(call(201, { headers: { 'ratelimit-policy': '"default";q=100;w=2' } }));
    expect(await plain.snapshot()).toMatchObject({ rate: 300, source: 'flag' });
    await plain.setRate(70);
    expect(await flagged.snapshot()).toMatchObject({ rate: 70, source: 'command' });
    await plain.setRate(null);
    expect(await plain.snapshot()).toMatchObject({ rate: 300, source: 'flag' });
  });

  it('takes the policy of a header', async () => {
    const budget = await budgetOn(newKey());
    expect(await budget.snapshot()).toMatchObject({ rate: null, source: 'none' });
    (await budget.acquire('submit')).report(
      call(201, { headers: { 'ratelimit-policy': '"default";q=100;w=2' } }),
    );
    await vi.waitFor(async () =>
      expect(await budget.snapshot()).toMatchObject({ rate: 50, source: 'header' }),
    );
  });

  it('waits for the reset when a header says that nothing is left', async () => {
    const key = newKey();
    const [one, two] = [await budgetOn(key), await budgetOn(key)];
    const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '30' };
    (await one.acquire('submit')).report(call(201, { headers }));
    await vi.waitFor(async () => expect((await two.snapshot()).pausedForMs).toBeGreaterThan(20_000));
    await expect(two.acquire('poll')).rejects.toThrow(BudgetPausedError);
  });

  it('keeps two keys apart', async () => {
    const [one, two] = [await budgetOn(newKey()), await budgetOn(newKey())];
    await one.setRate(5);
    (await one.acquire('submit')).report(call(429, { retryAfterMs: 60_000 }));
    await vi.waitFor(async () => expect((await one.snapshot()).pausedForMs).toBeGreaterThan(0));
    expect(await two.snapshot()).toMatchObject({
      rate: null,
      source: 'none',
      pausedForMs: 0,
      circuitOpen: false,
    });
    await two.acquire('poll');
  });

  it('lets 5,000 calls a second through within 3 s where there is no limit', async () => {
    const budget = await budgetOn(newKey());
    const end = performance.now() + 3000;
    let calls = 0;
    const worker = async () => {
      while (performance.now() < end && calls < 5000) {
        const slot = await budget.acquire('submit');
        calls += 1;
        slot.report(call(201));
      }
    };
    await Promise.all(Array.from({ length: 100 }, worker));
    expect(calls).toBeGreaterThanOrEqual(5000);
  });
});

describe('real processes', () => {
  it('share a known limit without a burst, a killed one included', async () => {
    const key = newKey();
    const limit = 200;
    const times: number[] = [];
    const processes = Array.from({ length: 3 }, () =>
      fork(new URL('./caller.ts', import.meta.url), [testRedis().socketPath, key, String(limit)], {
        execArgv: ['--import', 'tsx'],
      }),
    );
    try {
      for (const child of processes) child.on('message', (time: number) => times.push(time));
      await vi.waitFor(() => expect(times.length).toBeGreaterThan(150), { timeout: 20_000 });
      processes[0]?.kill('SIGKILL');
      await vi.waitFor(() => expect(times.length).toBeGreaterThan(500), { timeout: 20_000 });
    } finally {
      for (const child of processes) child.kill('SIGKILL');
    }
    times.sort((a, b) => a - b);
    let fullest = 0;
    let first = 0;
    for (const [i, time] of times.entries()) {
      while ((times[first] ?? time) <= time - 1000) first += 1;
      fullest = Math.max(fullest, i - first + 1);
    }
    expect(fullest).toBeLessThanOrEqual(limit * 1.05);
    expect(fullest).toBeGreaterThan(limit * 0.5);
  });
});

it('never lets more slots fall due in a second than the limit, whatever is asked and when', async () => {
  const { budgetScript } = await import('../../src/budget/script.js');
  const asks = fc.array(
    fc.record({ after: fc.integer({ min: 0, max: 400 }), n: fc.integer({ min: 1, max: 80 }) }),
    {
      minLength: 20,
      maxLength: 60,
    },
  );
  await fc.assert(
    fc.asyncProperty(asks, fc.constantFrom(5, 40, 300), async (steps, limit) => {
      const run = budgetScript(redis, newKey());
      let now = 1_700_000_000_000;
      const due: number[] = [];
      for (const { after, n } of steps) {
        now += after;
        const want = [{ flow: 'f', kind: 'submit', weight: 1, n }];
        const [slots] = (await run({ now, flag: limit, want })).slots;
        for (let i = 0; slots && i < slots.n; i += 1) due.push(Math.max(now, slots.at + i * slots.step));
      }
      due.sort((a, b) => a - b);
      for (const [i, time] of due.entries()) {
        const next = due[i + limit];
        if (next !== undefined) expect(next - time).toBeGreaterThan(1000);
      }
    }),
    { numRuns: 30 },
  );
});
