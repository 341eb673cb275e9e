import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { runKeys } from '../../src/runs/keys.js';
import { acquireLease } from '../../src/runs/lease.js';
import { pipelineTo } from '../pipeline/harness.js';

test('a holder whose lease another process has taken learns it from its next renewal', async () => {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const lease = await acquireLease(redis, keys);
  if (lease === null) throw new Error('nobody else has it');
  onTestFinished(() => lease.release());
  // As after a pause of the process that was longer than the lease.
  await redis.set(keys.lease, 'another');
  expect(lease.signal.aborted).toBe(false);
  const lost = once(lease.signal, 'abort');
  vi.advanceTimersByTime(10_000);
  await lost;
  expect(lease.signal.reason).toMatchObject({ message: 'another process took the lease' });
  await lease.release();
  expect(await redis.get(keys.lease)).toBe('another');
});
