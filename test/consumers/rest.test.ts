import { expect, test } from 'vitest';
import { createInterruptibleSleep } from '../../src/consumers/interruptible-sleep.js';

const LONG_MS = 600_000;
const never = new AbortController().signal;

test('news end a rest, and those that come while nobody rests cut the next one short', async () => {
  const rest = createInterruptibleSleep();
  const taken = rest.sleep(LONG_MS, never);
  rest.wake();
  await taken;
  // A line ended while the run was being looked at: what the look saw is old already.
  rest.wake();
  rest.wake();
  await rest.sleep(LONG_MS, never);
  const next = rest.sleep(LONG_MS, never).then(() => 'over');
  expect(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, 'rests'))])).toBe('rests');
  rest.wake();
  await next;
});

test('a rest ends when it is aborted, before or meanwhile', async () => {
  const rest = createInterruptibleSleep();
  const stop = new AbortController();
  const taken = rest.sleep(LONG_MS, stop.signal);
  stop.abort();
  await taken;
  await rest.sleep(LONG_MS, stop.signal);
});
