import { expect, test } from 'vitest';
import { createRest } from '../../src/consumers/rest.js';

const LONG_MS = 600_000;
const never = new AbortController().signal;

test('news end a rest, and those that come while nobody rests cut the next one short', async () => {
  const rest = createRest();
  const taken = rest.take(LONG_MS, never);
  rest.cutShort();
  await taken;
  // A line ended while the run was being looked at: what the look saw is old already.
  rest.cutShort();
  rest.cutShort();
  await rest.take(LONG_MS, never);
  const next = rest.take(LONG_MS, never).then(() => 'over');
  expect(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, 'rests'))])).toBe('rests');
  rest.cutShort();
  await next;
});

test('a rest ends when it is aborted, before or meanwhile', async () => {
  const rest = createRest();
  const stop = new AbortController();
  const taken = rest.take(LONG_MS, stop.signal);
  stop.abort();
  await taken;
  await rest.take(LONG_MS, stop.signal);
});
