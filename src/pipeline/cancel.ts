import { createMetrics } from '../metrics/metrics.js';
import { forecastReader } from '../plan/forecast/known.js';
import { decodeChunk } from '../queues/chunk.js';
import type { Job, RunQueues } from '../queues/queues.js';
import { CANCELLED, failedEnding } from '../results/endings.js';
import { flushAll } from '../results/flush.js';
import { createRecorder } from '../results/recorder.js';
import { openSink } from '../results/sink.js';
import { finishRun } from '../results/write-summary.js';
import { lineBits } from '../runs/bits.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import type { Pipeline } from './pipeline.js';

const PAGE = 50;

/**
 * Ends the queued lines of a cancelled run as failures, and the run itself if nothing was in flight and its sink is
 * seen from here. Lines that may have been bought stay for a consumer, which asks for their results.
 */
export async function failQueuedLines(
  { redis, objectStores }: Pick<Pipeline, 'redis' | 'objectStores'>,
  prefix: string,
  record: RunRecord,
  queues: RunQueues,
  log: Pipeline['log'],
) {
  const keys = runKeys(prefix, record.id);
  const recorder = createRecorder(redis, keys, createMetrics());
  const isLeft = async (job: Job): Promise<boolean> => {
    const { source, lines } = decodeChunk(job.data);
    const bought = await lineBits(redis, keys.admitted(source), lines);
    const queued = lines.filter(({ line }) => !bought(line));
    await Promise.all(
      queued.map((line) =>
        recorder.end(source, line.line, failedEnding(record, source, line, CANCELLED, true)),
      ),
    );
    if (queued.length < lines.length) return true;
    // A consumer may have taken the job meanwhile. It finds that the lines have ended.
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
  const flusher = { redis, prefix, sink, forecast: forecastReader(redis, prefix) };
  await flushAll(flusher, record);
  await finishRun(flusher, record.id, log);
}
