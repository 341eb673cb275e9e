import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';
import { slidingWindow } from './servers.js';
import { createWorld } from './world.js';

let redis: Redis;
beforeAll(() => {
  redis = new Redis(testRedis().socketPath);
});
afterAll(() => redis.disconnect());

test('an outage: the fleet sends one probe at a time, ever more rarely, and goes on at once when it is over', async () => {
  const outage = (now: number) => now >= 10_000 && now < 200_000;
  const world = createWorld({
    redis,
    key: `${uniquePrefix()}:budget:{k}`,
    server: slidingWindow(100),
    outage,
  });
  const processes = [1, 2, 3].map(() => world.addProcess({ rate: 100 }));
  for (const each of processes) {
    each.work('submit', 20);
    each.work('poll', 20);
  }
  await world.run(20);
  const snapshot = async () => {
    const asked = processes[0]?.budget.snapshot();
    await world.run(0.1);
    return asked;
  };
  expect(await snapshot()).toMatchObject({ circuitOpen: true });
  await world.run(180);
  const during = world.arrivals
    .filter(({ time }) => time >= 20_000 && time < 200_000)
    .map(({ time }) => time);
  expect(during.length).toBeGreaterThan(5);
  expect(during.length).toBeLessThan(20);
  const apart = during.slice(1).map((time, at) => time - (during[at] ?? 0));
  expect(Math.min(...apart)).toBeGreaterThan(900);
  expect(Math.max(...apart)).toBeLessThan(31_000);
  await world.run(40);
  const after = world.arrivals.filter(({ time, ok }) => ok && time >= 231_000 && time < 240_000);
  expect(after.length / 9).toBeGreaterThan(95);
  const over = await snapshot();
  expect(over?.circuitOpen).toBe(false);
  expect(over?.heldMs).toBeGreaterThan(180_000);
  expect(over?.heldMs).toBeLessThan(220_000);
});

test('errors among answers open nothing', async () => {
  let calls = 0;
  const outage = () => {
    calls += 1;
    return calls % 10 !== 0;
  };
  const world = createWorld({
    redis,
    key: `${uniquePrefix()}:budget:{k}`,
    server: slidingWindow(100),
    outage,
  });
  world.addProcess({ rate: 100 }).work('submit', 40);
  await world.run(30);
  expect(world.arrivals.length).toBeGreaterThan(2_800);
});
