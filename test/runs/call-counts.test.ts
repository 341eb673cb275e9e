import { expect, test } from 'vitest';
import { createCallCounter } from '../../src/runs/call-counts.js';
import { runKeys } from '../../src/runs/keys.js';
import { pipelineTo } from '../pipeline/harness.js';

test('calls that could not be counted in Redis are counted with the next ones, once', async () => {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  const counter = createCallCounter(redis, keys, { startedAt: new Date().toISOString() });
  const call = () =>
    counter.record({ operation: 'submit', status: 202, durationMs: 1, headers: {}, retryAfterMs: undefined });
  call();
  // A key of another type makes the script fail.
  await redis.set(keys.seen, 'no hash');
  await expect(counter.flush()).rejects.toThrow('WRONGTYPE');
  call();
  await redis.del(keys.seen);
  for (let checks = 0; checks < 3; checks += 1) await counter.flush();
  expect(await redis.hget(keys.calls, 'submit:202')).toBe('2');
});
