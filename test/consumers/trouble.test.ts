import { Worker } from 'bullmq';
import { expect, test } from 'vitest';
import { type ConsumedRun, delayTrouble } from '../../src/consumers/call.js';
import { troubleOf } from '../../src/consumers/trouble.js';
import { httpError } from '../../src/gateway/errors.js';
import { openQueues, type SubmitJob } from '../../src/queues/queues.js';
import { runKeys } from '../../src/runs/keys.js';
import { pipelineTo, until } from '../pipeline/harness.js';

/** One line whose call fails for ever, and is made again as soon as it has gone to sleep. */
async function failing(retryForMs: number, mostCalls: number, held: (sinceMs: number) => number) {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const began = Date.now();
  const snapshot = async () => ({
    ...(await pipeline.budget.snapshot()),
    heldMs: held(Date.now() - began),
  });
  const parts = { ...pipeline, budget: { ...pipeline.budget, snapshot } };
  const run = { record: { policy: { retryForMs } }, ledger: { backoff: () => undefined } };
  const keys = runKeys(pipeline.prefix, 'r');
  const queues = openQueues(keys, pipeline.connection, () => undefined);
  let calls = 0;
  let overAfter: number | undefined;
  const worker = new Worker<SubmitJob>(
    'submit',
    async (job, token) => {
      calls += 1;
      const trouble = { kind: 'again', metric: 'server_error', message: '500' } as const;
      await delayTrouble(parts, run as unknown as ConsumedRun, job, token, trouble);
      overAfter = Date.now() - began;
    },
    { connection: pipeline.connection, prefix: keys.queuePrefix },
  );
  const job = await queues.submit.add('line', { s: 0, l: 1, u: 'u' });
  const wake = async () => {
    await job.promote().catch(() => undefined);
    return overAfter !== undefined || calls >= mostCalls;
  };
  await until(wake, 'calls');
  await worker.close();
  await queues.close();
  return { calls, overAfter };
}

test('a backoff that was cut short counts as long as it was waited for', async () => {
  const { overAfter } = await failing(400, 1_000, () => 0);
  expect(overAfter).toBeGreaterThanOrEqual(400);
});

test('while the circuit is open, no time counts', async () => {
  const { overAfter } = await failing(2_000, 20, (sinceMs) => sinceMs);
  expect(overAfter).toBeUndefined();
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
  expect(troubleOf(error, operation)).toMatchObject(meant);
});
