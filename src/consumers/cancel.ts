import { createMetrics } from '../metrics/metrics.js';
import type { Pipeline } from '../pipeline.js';
import type { Job, RunQueues, SubmitJob } from '../queues/queues.js';
import { finishRun } from '../results/finish.js';
import { flushAll } from '../results/flush.js';
import { openSink } from '../results/sink.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { CANCELLED, failLine } from './lines.js';

const PAGE = 500;

/**
 * Ends the queued lines of a cancelled run as failures, and the run itself if nothing was in flight and its sink is
 * seen from here. Lines that may have been bought stay for a consumer, which asks for their results.
 */
export async function endCancelled(
  { redis, objectStores }: Pick<Pipeline, 'redis' | 'objectStores'>,
  prefix: string,
  record: RunRecord,
  queues: RunQueues,
  log: Pipeline['log'],
) {
  const keys = runKeys(prefix, record.id);
  const target = { redis, prefix, metrics: createMetrics() };
  const isLeft = async (job: Job<SubmitJob>): Promise<boolean> => {
    const bought = await redis.getbit(keys.admitted(job.data.s), job.data.l - 1);
    if (bought === 1) return true;
    await failLine(target, record, job.data, CANCELLED);
    // A consumer may have taken it meanwhile: it finds the line ended.
    return job.remove().then(
      () => false,
      () => true,
    );
  };
  for (const list of ['wait', 'delayed'] as const) {
    let left = 0;
    for (;;) {
      const jobs = await queues.submit.getJobs(list, left, left + PAGE - 1);
      if (jobs.length === 0) break;
      left += (await Promise.all(jobs.map(isLeft))).filter(Boolean).length;
    }
  }
  const sink = openSink(record.out, objectStores);
  if (!(await sink.sees(record))) return;
  const flusher = { redis, prefix, sink };
  await flushAll(flusher, record);
  await finishRun(flusher, record.id, log);
}
