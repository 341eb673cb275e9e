import { expect, onTestFinished, test } from 'vitest';
import { openQueues, queueKey } from '../../src/queues/queues.js';
import { shortenLocks } from '../../src/queues/shorten-locks.js';
import { createConsumerHeartbeats, liveConsumersIn } from '../../src/runs/consumer-heartbeats.js';
import { runKeys } from '../../src/runs/keys.js';
import { acquireLease } from '../../src/runs/lease.js';
import { pipelineTo } from '../pipeline/harness.js';

/** What ends at a time of Redis' clock ends 5 minutes later than it was to, after the clock was set back by so much. */
const SET_BACK_MS = 300_000;
const LONGEST_MS = 16_000;

async function world() {
  const { redis, prefix, connection } = await pipelineTo('http://127.0.0.1:1');
  return { redis, keys: runKeys(prefix, 'r'), connection };
}

test('the lease of a dead process is to be had within seconds', async () => {
  const { redis, keys } = await world();
  await redis.set(keys.lease, 'of a dead process', 'PX', SET_BACK_MS);
  expect(await acquireLease(redis, keys)).toBeNull();
  expect(await redis.pttl(keys.lease)).toBeLessThan(LONGEST_MS);
  // One that is held as it should be is left as it is.
  const [left] = [await redis.pttl(keys.lease)];
  expect(await acquireLease(redis, keys)).toBeNull();
  expect(await redis.pttl(keys.lease)).toBeLessThanOrEqual(left);
});

test('so are the jobs that it had in hand, and they are looked for', async () => {
  const { redis, keys, connection } = await world();
  const queues = openQueues(keys, connection, () => undefined);
  onTestFinished(() => queues.close());
  for (const [id, ms] of [
    ['dead', SET_BACK_MS],
    ['alive', 9_000],
  ] as const) {
    await redis.lpush(queueKey(keys, 'poll', 'active'), id);
    await redis.set(`${queueKey(keys, 'poll', id)}:lock`, 'token', 'PX', ms);
  }
  const check = queueKey(keys, 'poll', 'stalled-check');
  await redis.set(check, 'then', 'PX', SET_BACK_MS);
  await shortenLocks(redis, keys);
  const left = (id: string) => redis.pttl(`${queueKey(keys, 'poll', id)}:lock`);
  expect(await left('dead')).toBeLessThan(LONGEST_MS);
  expect(await redis.pttl(check)).toBeLessThan(LONGEST_MS);
  expect(await left('alive')).toBeLessThanOrEqual(9_000);
});

test('nobody waits for the counts of a consumer that was there in the future', async () => {
  const { redis, keys } = await world();
  const [seconds] = await redis.time();
  const now = Number(seconds) * 1_000;
  await redis.hset(keys.consumers, 'dead', `0:${now + SET_BACK_MS}:0.0:5`);
  expect(liveConsumersIn(await redis.hgetall(keys.consumers), now)).toMatchObject({
    consumers: 0,
    submitting: 0,
  });
  const heartbeats = createConsumerHeartbeats(redis, keys);
  await heartbeats.beat(true);
  expect(await heartbeats.allCountsFlushed()).toBe(true);
});
