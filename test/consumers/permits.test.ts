import { expect, test } from 'vitest';
import { createConcurrencyLimit } from '../../src/consumers/concurrency-limit.js';
import { randomFrom } from '../../src/sandbox/random.js';

/** A server on virtual time: a call takes `latency(inFlight)`, seen when it is sent. */
async function drive(most: number, seconds: number, latency: (inFlight: number, at: number) => number) {
  let now = 0;
  const permits = createConcurrencyLimit(most, () => now);
  const ends: { at: number; ms: number }[] = [];
  let least = most;
  let started = false;
  let answered = 0;
  let waiting = 0;
  const send = async () => {
    waiting += 1;
    await permits.acquire();
    waiting -= 1;
    const ms = latency(ends.length + 1, now);
    ends.push({ at: now + ms, ms });
  };
  while (now < seconds * 1000) {
    while (waiting < most) void send();
    await Promise.resolve();
    await Promise.resolve();
    ends.sort((a, b) => a.at - b.at);
    const next = ends.shift();
    if (next === undefined) continue;
    now = next.at;
    answered += 1;
    permits.release(next.ms);
    started ||= permits.limit === most;
    if (started) least = Math.min(least, permits.limit);
  }
  return { least, limit: permits.limit, perSecond: answered / seconds };
}

test('a server that is slow because it is full gets fewer calls, and answers as many', async () => {
  // 20 calls at a time, 500 ms each: the rest queue.
  const { limit, perSecond } = await drive(400, 600, (inFlight) => Math.max(500, (inFlight / 20) * 500));
  expect(limit).toBeLessThan(80);
  expect(perSecond).toBeGreaterThan(36);
});

test('a server that is slow by nature keeps all its calls but for a trial now and then', async () => {
  const random = randomFrom('slow');
  const { least, perSecond } = await drive(100, 600, () => 8_000 + random() * 4_000);
  expect(least).toBeGreaterThanOrEqual(70);
  expect(perSecond).toBeGreaterThan(8.5);
});

test('the first calls are few, and double with each round trip', async () => {
  const permits = createConcurrencyLimit(100);
  let out = 0;
  const take = () => {
    out += 1;
  };
  for (let n = 0; n < 100; n += 1) void permits.acquire().then(take);
  const inFlight: number[] = [];
  for (let trip = 0; trip < 4; trip += 1) {
    await new Promise(setImmediate);
    const answers = out - inFlight.reduce((sum, n) => sum + n, 0);
    inFlight.push(answers);
    for (let n = 0; n < answers; n += 1) permits.release(200);
  }
  expect(inFlight).toEqual([8, 16, 32, 44]);
});

test('a fast server is never held back, and one that recovers gets its calls back', async () => {
  const fast = await drive(100, 20, () => 30);
  expect(fast.least).toBe(100);
  const { least, limit } = await drive(100, 200, (inFlight, at) =>
    at < 100_000 ? Math.max(100, inFlight * 100) : 20,
  );
  expect(least).toBeLessThan(50);
  expect(limit).toBe(100);
});
