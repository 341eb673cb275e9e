import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ChunkData, decodeChunk, encodeChunk } from '../../src/queues/chunk.js';
import { openQueues } from '../../src/queues/queues.js';
import { createWorker } from '../../src/queues/worker.js';
import { bullConnection } from '../../src/redis/connection.js';
import { runKeys } from '../../src/runs/keys.js';
import { until } from '../pipeline/harness.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

function place() {
  const keys = runKeys(uniquePrefix(), 'run');
  const { connection } = bullConnection(testRedis());
  const queues = openQueues(keys, connection, () => undefined);
  onTestFinished(() => queues.close());
  return { keys, connection, queues };
}

test('a worker whose job does not end is closed at the deadline', async () => {
  const { keys, connection, queues } = place();
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

test('a job that went wrong, and that Redis does not take back, is not among the failed ones: the stalled check has it', async () => {
  const { keys, connection, queues } = place();
  let wentWrong = () => {};
  const wrong = new Promise<void>((resolve) => {
    wentWrong = resolve;
  });
  const worker = createWorker({
    name: 'submit',
    keys,
    connection,
    concurrency: 1,
    mostLines: null,
    log: pino({ level: 'silent' }),
    async process(job) {
      job.moveToDelayed = async () => {
        wentWrong();
        throw new Error('CLUSTERDOWN The cluster is down');
      };
      throw new Error('CLUSTERDOWN The cluster is down');
    },
  });
  worker.start();
  await queues.submit.add('line', encodeChunk(0, [{ line: 1, text: '{}' }]));
  await wrong;
  await worker.close(5_000);
  expect(await queues.submit.getJobCounts('failed', 'active')).toEqual({ failed: 0, active: 1 });
});

describe('a worker takes jobs by their lines', () => {
  /** A worker that may have two lines in hand, and jobs of two lines each, which a test ends when it likes. */
  async function holding(jobs: number, mostLines = 2) {
    const { keys, connection, queues } = place();
    const started: { lines: number[]; release(lines: number): void; end(): void }[] = [];
    const worker = createWorker<ChunkData>({
      name: 'submit',
      keys,
      connection,
      concurrency: 10,
      mostLines,
      linesOf: ({ n }) => n,
      log: pino({ level: 'silent' }),
      process: ({ data }, _token, release) =>
        new Promise<void>((end) => {
          started.push({ lines: decodeChunk(data).lines.map(({ line }) => line), release, end });
        }),
    });
    onTestFinished(async () => {
      for (const { end } of started) end();
      await worker.close(1_000);
      await queues.close();
    });
    await queues.submit.addBulk(
      Array.from({ length: jobs }, (_, n) => ({
        name: 'submit',
        data: encodeChunk(0, [
          { line: 2 * n + 1, text: '{}' },
          { line: 2 * n + 2, text: '{}' },
        ]),
        opts: { jobId: `job-${n}` },
      })),
    );
    worker.start();
    const jobsStarted = (count: number) => until(() => started.length >= count, `${count} jobs taken`);
    /** The worker has looked for more and left it: jobs that it has taken are in the active list before they start. */
    const takesNoMore = async (count: number) => {
      // Longer than a worker waits between two looks at a queue.
      const end = Date.now() + 1_500;
      while (Date.now() < end) {
        expect(started).toHaveLength(count);
        expect(await queues.submit.getActiveCount()).toBe(count);
        await sleep(50);
      }
    };
    return { worker, started, jobsStarted, takesNoMore };
  }

  test('and another as soon as one line is out of its hands, while the first job goes on', async () => {
    const { started, jobsStarted, takesNoMore } = await holding(5);
    await jobsStarted(1);
    await takesNoMore(1);
    // One of the two lines is done with; the other stays out for long.
    started[0]?.release(1);
    await jobsStarted(2);
    // Three lines are in hand, one more than it may have: so many may come with a job, and no further job.
    await takesNoMore(2);
    started[1]?.release(1);
    await takesNoMore(2);
    started[1]?.release(1);
    await jobsStarted(3);
    expect(started.map(({ lines }) => lines)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    await takesNoMore(3);
  });

  test('and goes on when jobs end without having released their lines', async () => {
    const { started, jobsStarted } = await holding(3);
    for (const n of [1, 2, 3]) {
      await jobsStarted(n);
      expect(started).toHaveLength(n);
      started[n - 1]?.end();
    }
  });

  test('and none is taken twice for a line that is released more often than the job has lines', async () => {
    const { started, jobsStarted, takesNoMore } = await holding(5, 4);
    await jobsStarted(2);
    started[0]?.release(2);
    started[0]?.release(2);
    await jobsStarted(3);
    // Of the first job nothing is left, of the other two four lines.
    await takesNoMore(3);
  });

  test('and as many more as it is told to hold later on', async () => {
    const { worker, started, jobsStarted, takesNoMore } = await holding(5);
    await jobsStarted(1);
    worker.holdLines(4);
    await jobsStarted(2);
    await takesNoMore(2);
    worker.holdLines(1);
    started[0]?.release(2);
    started[1]?.release(2);
    await jobsStarted(3);
    await takesNoMore(3);
  });
});
