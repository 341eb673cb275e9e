import { expect, test } from 'vitest';
import { bringForward } from '../../src/queues/bring-forward.js';
import { encodeChunk, type PolledLine } from '../../src/queues/chunk.js';
import { openQueues, queueKey } from '../../src/queues/queues.js';
import { runKeys } from '../../src/runs/keys.js';
import { pipelineTo } from '../pipeline/harness.js';

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
  await Promise.all(Array.from({ length: 1_200 }, (_, n) => add(`late-${n}`, 20_000, 100_000 + n)));
  await add('soon', 20_000, 5_000);
  await add('first', 0, 40_000);
  await add('old', 300_000, 600_000);
  await add('awaits-delivery', 20_000, 900_000, { awaitsDelivery: true });
  const inMs = async (name: string) =>
    Number(await redis.zscore(queueKey(keys, 'poll', 'delayed'), name)) / 0x1000 - now;

  await bringForward(redis, keys, (ageMs) => (ageMs < 30_000 ? 30_000 - ageMs : ageMs * 0.2));
  for (const name of ['late-0', 'late-600', 'late-1199']) expect(await inMs(name)).toBeLessThan(12_000);
  expect(await inMs('soon')).toBeLessThan(7_000);
  expect(await inMs('first')).toBeLessThan(33_000);
  expect(await inMs('old')).toBeGreaterThan(59_000);
  expect(await inMs('old')).toBeLessThan(63_000);
  expect(await inMs('awaits-delivery')).toBeGreaterThan(890_000);

  // Another process that finds the same leaves it to the first one.
  await bringForward(redis, keys, () => 1_000);
  expect(await inMs('old')).toBeGreaterThan(59_000);
  await queues.close();
});
