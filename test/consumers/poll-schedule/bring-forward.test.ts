import { expect, test } from 'vitest';
import { advancePolls } from '../../../src/queues/advance-polls.js';
import { encodeChunk, type PolledLine } from '../../../src/queues/chunk.js';
import { openQueues, queueKey } from '../../../src/queues/queues.js';
import { runKeys } from '../../../src/runs/keys.js';
import { pipelineTo } from '../../pipeline/harness.js';

test('tasks that sleep too long for their age wake earlier, no other does', async () => {
  const { redis, prefix, connection } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  const queues = openQueues(keys, connection, () => undefined);
  const now = Date.now();
  const add = (name: string, ageMs: number, delay: number, more: Partial<PolledLine> = {}) =>
    queues.poll.add(
      'poll',
      // The second task is younger: a chunk is as old as its oldest.
      encodeChunk<PolledLine>(0, [
        { line: 1, text: '{}', task: name, at: now - ageMs / 2, ...more },
        { line: 2, text: '{}', task: name, at: now - ageMs, ...more },
      ]),
      { jobId: name, delay },
    );
  await Promise.all(Array.from({ length: 1_200 }, (_, n) => add(`late-${n}`, 200_000, 1_000_000 + n)));
  await add('soon', 200_000, 50_000);
  await add('first', 0, 800_000);
  await add('old', 3_000_000, 6_000_000);
  await add('awaits-delivery', 200_000, 9_000_000, { awaitsDelivery: true });
  const due = async (name: string) =>
    Number(await redis.zscore(queueKey(keys, 'poll', 'delayed'), name)) / 0x1000;
  const sleeping = ['soon', 'awaits-delivery'] as const;
  const before = new Map(await Promise.all(sleeping.map(async (name) => [name, await due(name)] as const)));

  const nextMs = (ageMs: number) => (ageMs < 600_000 ? 600_000 - ageMs : ageMs * 0.2);
  const began = Date.now();
  await advancePolls(redis, keys, {
    nextPollDelayMs: nextMs,
    webhookFallbackDelayMs: () => 9_000_000,
    isOverdue: () => false,
  });
  const ended = Date.now();
  /** Whether it now wakes when the plan has it, looked at some time between the two. */
  const expectPlanned = async (name: string, ageMs: number) => {
    const times = [began, ended].map((time) => time + nextMs(time - (now - ageMs)));
    expect(await due(name), name).toBeGreaterThanOrEqual(Math.min(...times) - 1);
    expect(await due(name), name).toBeLessThanOrEqual(Math.max(...times) + 1);
  };
  for (const name of ['late-0', 'late-600', 'late-1199']) await expectPlanned(name, 200_000);
  await expectPlanned('first', 0);
  await expectPlanned('old', 3_000_000);
  for (const name of sleeping) expect(await due(name), name).toBe(before.get(name));

  // Another process that finds the same leaves it to the first one.
  await advancePolls(redis, keys, {
    nextPollDelayMs: () => 1_000,
    webhookFallbackDelayMs: () => 1_000,
    isOverdue: () => false,
  });
  expect(await due('old')).toBeGreaterThan(began + 590_000);
  await queues.close();
});

test('a task whose delivery is overdue is polled now, once: one that sleeps as the plan has it is left alone', async () => {
  const { redis, prefix, connection } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  const queues = openQueues(keys, connection, () => undefined);
  const now = Date.now();
  const add = (name: string, ageMs: number, delay: number) =>
    queues.poll.add(
      'poll',
      encodeChunk<PolledLine>(0, [
        { line: 1, text: '{}', task: name, at: now - ageMs, awaitsDelivery: true },
      ]),
      { jobId: name, delay },
    );
  // Put to sleep by the loose safety net, two minutes long; and by a poll that found it in progress.
  await add('never polled', 30_000, 90_000);
  await add('polled', 30_000, 4_000);
  await add('not due yet', 2_000, 90_000);
  const due = async (name: string) =>
    Number(await redis.zscore(queueKey(keys, 'poll', 'delayed'), name)) / 0x1000;
  const polled = await due('polled');
  await advancePolls(redis, keys, {
    nextPollDelayMs: () => 1,
    webhookFallbackDelayMs: (ageMs) => (ageMs < 6_000 ? 6_000 - ageMs : 5_000),
    isOverdue: (ageMs) => ageMs >= 6_000,
  });
  expect(await due('never polled')).toBeLessThanOrEqual(Date.now());
  expect(await due('polled')).toBe(polled);
  expect((await due('not due yet')) - now).toBeGreaterThan(3_000);
  expect((await due('not due yet')) - now).toBeLessThan(6_001);
  await queues.close();
});
