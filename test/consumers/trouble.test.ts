import { expect, onTestFinished, test, vi } from 'vitest';
import { classifyFailure } from '../../src/consumers/call-failure.js';
import { type ConsumedRun, nextBackoff } from '../../src/consumers/gateway-call.js';
import { httpError } from '../../src/gateway/errors.js';
import type { Backoff } from '../../src/queues/chunk.js';
import { pipelineTo } from '../pipeline/harness.js';

/** One line whose call fails for ever, and is made again after 10 ms, however long its backoff was to be. */
async function failing(
  retryForMs: number,
  mostCalls: number,
  held: (sinceMs: number) => number,
  { state = 'running', answered = true } = {},
) {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const began = Date.now();
  const snapshot = async () => ({
    ...(await pipeline.budget.snapshot()),
    heldMs: held(Date.now() - began),
  });
  const parts = { ...pipeline, budget: { ...pipeline.budget, snapshot } };
  const run = {
    ...{ record: { state, policy: { retryForMs } }, reach: { answered } },
    callCounter: { backoff: () => undefined },
  };
  const trouble = { kind: 'again', metric: 'server_error', message: '500' } as const;
  let backoff: Backoff | undefined;
  for (let calls = 1; calls <= mostCalls; calls += 1) {
    const next = await nextBackoff(parts, run as unknown as ConsumedRun, backoff, trouble);
    if (next === null) return { calls, overAfter: Date.now() - began };
    expect(next.calls).toBe(calls);
    backoff = next;
    vi.setSystemTime(Date.now() + 10);
  }
  return { calls: mostCalls, overAfter: undefined };
}

test('a backoff that was cut short counts as long as it was waited for', async () => {
  const { overAfter } = await failing(400, 1_000, () => 0);
  expect(overAfter).toBeGreaterThanOrEqual(400);
});

test('while the circuit is open, no time counts', async () => {
  const { overAfter } = await failing(2_000, 20, (sinceMs) => sinceMs);
  expect(overAfter).toBeUndefined();
});

test('no line fails while its run has had no answer at all, unless it is cancelled', async () => {
  const never = { answered: false };
  expect((await failing(50, 50, () => 0, never)).overAfter).toBeUndefined();
  expect((await failing(50, 50, () => 0, { ...never, state: 'cancelled' })).overAfter).toBeGreaterThanOrEqual(
    50,
  );
});

test.each([
  [402, 'submit', { kind: 'run', reason: 'quota' }],
  [403, 'result', { kind: 'run', reason: 'quota' }],
  [404, 'submit', { kind: 'run', reason: 'wrong_endpoint' }],
  [407, 'result', { kind: 'run', reason: 'wrong_endpoint' }],
  [410, 'submit', { kind: 'run', reason: 'wrong_endpoint' }],
  [410, 'result', { kind: 'unknown_task' }],
  [422, 'submit', { kind: 'line', code: 'rejected' }],
  [451, 'submit', { kind: 'line', code: 'rejected' }],
  [503, 'result', { kind: 'again' }],
] as const)('%d to a %s', (status, operation, meant) => {
  const error = httpError(status, { error: 'because' }, undefined);
  expect(classifyFailure(error, operation)).toMatchObject(meant);
});
