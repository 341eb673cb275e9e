import { expect, test } from 'vitest';
import { createBackpressure, readDepth } from '../../src/producers/backpressure.js';
import { runKeys } from '../../src/runs/keys.js';
import { pipelineTo, until } from '../pipeline/harness.js';

const POLICY = { maxQueued: 100, partSizeBytes: 1_000 };

test('a producer of a run that its sink has blocked waits once the rows of a part are unwritten', async () => {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  await redis.hset(keys.counts, 'unflushed_bytes', POLICY.partSizeBytes);
  await redis.hset(keys.record, { state: 'blocked', reason: 'sink' });
  let looks = 0;
  const room = createBackpressure(
    () => {
      looks += 1;
      return readDepth(redis, keys);
    },
    POLICY,
    new AbortController().signal,
  );
  room.added(1, 10, await readDepth(redis, keys));
  let free: number | undefined;
  const waiting = room.wait().then((lines) => {
    free = lines;
  });
  await until(() => looks >= 2 || free !== undefined, 'a look');
  expect(free).toBeUndefined();
  await redis.hset(keys.record, { state: 'running', reason: '' });
  await waiting;
  expect(free).toBe(POLICY.maxQueued);
});
