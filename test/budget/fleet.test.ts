import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';
import { type LimitModel, type ModelName, models } from './servers.js';
import { type Arrival, createWorld, measure, type WorldOptions } from './world.js';

// A minute of virtual time takes seconds of a busy machine's.
vi.setConfig({ testTimeout: 120_000 });

let redis: Redis;
beforeAll(() => {
  redis = new Redis(testRedis().socketPath);
});
afterAll(() => redis.disconnect());

const worldOf = (server: LimitModel, more: Partial<WorldOptions> = {}) =>
  createWorld({ redis, key: `${uniquePrefix()}:budget:{k}`, server, ...more });
type World = ReturnType<typeof createWorld>;

function addFleet(world: World, processes: number, workers: number, rate?: number) {
  return Array.from({ length: processes }, () => {
    const process = world.addProcess(rate === undefined ? {} : { rate });
    process.work('submit', workers);
    process.work('poll', workers);
    return process;
  });
}

const noLimit: LimitModel = { take: () => ({ ok: true, retryAfterMs: 0 }), setRate() {} };
const calls = (arrivals: Arrival[], which: Partial<Arrival>, from: number, to: number) =>
  arrivals.filter(
    (a) =>
      a.time >= from * 1000 &&
      a.time < to * 1000 &&
      Object.entries(which).every(([name, value]) => a[name as keyof Arrival] === value),
  ).length;

describe('a known limit', () => {
  it.each(
    (['bucket', 'fixed', 'sliding'] as ModelName[]).flatMap((kind) =>
      [20, 200, 1000].map((limit) => ({ kind, limit })),
    ),
  )('is used in full, without 429s or bursts: $kind, $limit/s', async ({ kind, limit }) => {
    const world = worldOf(models[kind](limit));
    addFleet(world, 4, Math.ceil(limit / 40) + 4, limit);
    await world.run(8);
    const { use, refused, overshoot } = measure(world.arrivals, limit, 1, 8);
    expect(use).toBeGreaterThanOrEqual(0.97);
    expect(refused).toBeLessThanOrEqual(0.001);
    expect(overshoot).toBeLessThanOrEqual(1.05);
  });

  it('holds when a process stalls for 60 ms', async () => {
    const world = worldOf(models.sliding(200));
    const [one] = addFleet(world, 4, 10, 200);
    for (const at of [1500, 3000, 4500, 6000]) world.clock.at(at, () => one?.stall(60));
    await world.run(8);
    const { use, refused, overshoot } = measure(world.arrivals, 200, 1, 8);
    expect(use).toBeGreaterThanOrEqual(0.97);
    expect(refused).toBeLessThanOrEqual(0.001);
    expect(overshoot).toBeLessThanOrEqual(1.05);
  });

  it('loses nothing to a process that dies', async () => {
    const world = worldOf(models.fixed(200));
    const [one] = addFleet(world, 4, 10, 200);
    world.clock.at(3000, () => one?.kill());
    await world.run(6);
    expect(measure(world.arrivals, 200, 3.2, 6).use).toBeGreaterThanOrEqual(0.97);
  });

  it('follows `setRate` within a second', async () => {
    const world = worldOf(noLimit);
    const [one] = addFleet(world, 3, 20, 100);
    world.clock.at(3000, () => void one?.budget.setRate(400));
    world.clock.at(6000, () => void one?.budget.setRate(20));
    world.clock.at(9000, () => void one?.budget.setRate(null));
    await world.run(12);
    for (const [rate, from] of [
      [100, 1],
      [400, 4],
      [20, 7],
      [100, 10],
    ] as const) {
      const used = calls(world.arrivals, {}, from, from + 2) / 2 / rate;
      expect(used).toBeGreaterThan(0.95);
      expect(used).toBeLessThanOrEqual(1.03);
    }
  });
});

describe('an unknown limit', () => {
  it.each([
    { kind: 'sliding' as const, limit: 50, retryAfter: false },
    { kind: 'bucket' as const, limit: 500, retryAfter: false },
    { kind: 'fixed' as const, limit: 50, retryAfter: true },
  ])('is found and kept: $kind, $limit/s, Retry-After $retryAfter', async ({ kind, limit, retryAfter }) => {
    const world = worldOf(models[kind](limit), { retryAfter });
    addFleet(world, 2, Math.ceil(limit / 30) + 4);
    await world.run(75);
    const { use, refused } = measure(world.arrivals, limit, 30, 75);
    expect(use).toBeGreaterThanOrEqual(0.9);
    expect(refused).toBeLessThanOrEqual(0.01);
  });

  it('is followed when it halves and when it doubles', async () => {
    const server = models.fixed(100);
    const world = worldOf(server);
    addFleet(world, 2, 8);
    world.clock.at(40_000, () => server.setRate(50, 40_000));
    world.clock.at(90_000, () => server.setRate(100, 90_000));
    await world.run(150);
    expect(measure(world.arrivals, 50, 70, 90).use).toBeGreaterThan(0.88);
    expect(measure(world.arrivals, 50, 70, 90).refused).toBeLessThan(0.02);
    expect(measure(world.arrivals, 100, 135, 150).use).toBeGreaterThan(0.88);
  });

  it('that was believed far too low heals within seconds, on a machine that is late by 60 ms', async () => {
    let refuses = false;
    const server: LimitModel = {
      ...noLimit,
      take: () => ({ ok: !refuses, retryAfterMs: refuses ? 2_000 : 0 }),
    };
    const world = worldOf(server, { retryAfter: true });
    const fleet = addFleet(world, 3, 10, 100);
    for (const [n, process] of fleet.entries())
      for (let at = 0; at < 120_000; at += 90 + 20 * n) world.clock.at(at, () => process.stall(60));
    for (let at = 2_000; at <= 32_000; at += 5_000)
      for (const [after, is] of [
        [0, true],
        [3_500, false],
      ] as const)
        world.clock.at(at + after, () => {
          refuses = is;
        });
    await world.run(120);
    expect(calls(world.arrivals, { ok: true }, 45, 60) / 15).toBeGreaterThan(35);
  });

  it('is remembered for the next run of the key', async () => {
    const world = worldOf(models.fixed(200));
    const first = addFleet(world, 2, 10);
    await world.run(30);
    for (const process of first) process.kill();
    await world.run(600);
    const start = world.clock.time / 1000;
    addFleet(world, 2, 10);
    await world.run(5);
    const { use, refusals } = measure(world.arrivals, 200, start + 0.5, start + 5);
    expect(use).toBeGreaterThan(0.85);
    expect(refusals).toBeLessThanOrEqual(10);
  });
});

describe('one congestion event', () => {
  it('cuts once, however many calls were out', async () => {
    let refuse = false;
    const world = worldOf(
      {
        take: () => (refuse ? { ok: false, retryAfterMs: 0 } : { ok: true, retryAfterMs: 0 }),
        setRate() {},
      },
      { network: [40, 60] },
    );
    const [one] = addFleet(world, 4, 60, 400);
    let pauses = 0;
    one?.budget.onPause(() => pauses++);
    world.clock.at(3000, () => {
      refuse = true;
    });
    world.clock.at(3100, () => {
      refuse = false;
    });
    await world.run(6);
    expect(world.arrivals.filter((a) => !a.ok).length).toBeGreaterThan(20);
    // One cut leaves 0.873 of the rate; a second one would leave 0.8 at most.
    expect(calls(world.arrivals, {}, 4, 5) / 400).toBeGreaterThan(0.82);
    expect(pauses).toBeLessThanOrEqual(1);
  });

  it('of an hour costs a canary now and then, and ends within 10 s', async () => {
    let world: World | undefined;
    const down = () => (world?.clock.time ?? 0) >= 10_000 && (world?.clock.time ?? 0) < 3_610_000;
    world = worldOf({ take: () => ({ ok: !down(), retryAfterMs: 0 }), setRate() {} }, { network: [5, 10] });
    addFleet(world, 2, 2, 50);
    await world.run(3610);
    const canaries = calls(world.arrivals, {}, 60, 3600);
    expect(canaries).toBeGreaterThan(300);
    expect(canaries).toBeLessThan(1500);
    await world.run(10);
    expect(calls(world.arrivals, { ok: true }, 3610, 3620)).toBeGreaterThan(10);
  });

  it('obeys a long Retry-After to the end', async () => {
    let refuse = true;
    const world = worldOf(
      {
        take: () => {
          const ok = !refuse;
          refuse = false;
          return { ok, retryAfterMs: 90_000 };
        },
        setRate() {},
      },
      { retryAfter: true },
    );
    addFleet(world, 2, 1);
    await world.run(95);
    expect(calls(world.arrivals, {}, 1, 90)).toBe(0);
    expect(calls(world.arrivals, {}, 90, 95)).toBeGreaterThan(0);
  });
});

describe('fair shares', () => {
  it('halves the budget between kinds only while both want it', async () => {
    const world = worldOf(models.fixed(200));
    const [submits, polls] = [world.addProcess({ rate: 200 }), world.addProcess({ rate: 200 })];
    submits.work('submit', 60);
    world.clock.at(3000, () => polls.work('poll', 20));
    world.clock.at(6000, () => polls.kill());
    await world.run(9);
    expect(calls(world.arrivals, { kind: 'submit' }, 1, 3) / 2).toBeGreaterThan(190);
    const contended = calls(world.arrivals, {}, 4, 6) / 2;
    expect(contended).toBeGreaterThan(190);
    expect(calls(world.arrivals, { kind: 'poll' }, 4, 6) / 2).toBeGreaterThan(80);
    expect(calls(world.arrivals, { kind: 'submit' }, 7, 9) / 2).toBeGreaterThan(190);
  });

  it('shares between runs by weight', async () => {
    const world = worldOf(models.fixed(200));
    const process = world.addProcess({ rate: 200 });
    process.work('submit', 40, { run: 'a', weight: 3 });
    process.work('submit', 40, { run: 'b', weight: 1 });
    await world.run(6);
    const [a, b] = ['a', 'b'].map((run) => calls(world.arrivals, { run }, 1, 6) / 5);
    expect(a).toBeGreaterThan(135);
    expect(a).toBeLessThan(160);
    expect(b).toBeGreaterThan(40);
  });
});
