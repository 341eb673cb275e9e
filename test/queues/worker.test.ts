import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { encodeChunk } from '../../src/queues/chunk.js';
import { openQueues } from '../../src/queues/queues.js';
import { createWorker } from '../../src/queues/worker.js';
import { bullConnection } from '../../src/redis/connection.js';
import { runKeys } from '../../src/runs/keys.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

test('a worker whose job does not end is closed at the deadline', async () => {
  const keys = runKeys(uniquePrefix(), 'run');
  const { connection } = bullConnection(testRedis());
  const queues = openQueues(keys, connection, () => undefined);
  onTestFinished(() => queues.close());
  let started = () => {};
  const working = new Promise<void>((resolve) => {
    started = resolve;
  });
  let finish = () => {};
  const worker = createWorker({
    name: 'submit',
    keys,
    connection,
    concurrency: 1,
    mostLines: null,
    log: pino({ level: 'silent' }),
    process: () =>
      new Promise<void>((resolve) => {
        finish = resolve;
        started();
      }),
  });
  worker.start();
  await queues.submit.add('line', encodeChunk(0, [{ line: 1, text: '{}' }]));
  await working;
  await worker.close(50);
  // Its lock runs out, and another process takes it.
  expect(await queues.submit.getActiveCount()).toBe(1);
  finish();
});
