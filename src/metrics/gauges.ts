import type { Pipeline } from '../pipeline.js';
import { queueKey } from '../queues/queues.js';
import { runKeys } from '../runs/keys.js';
import { readRun } from '../runs/read-status.js';
import { listRuns } from '../runs/record.js';

const CACHE_MS = 1_000;
const QUEUES = ['submit', 'poll', 'flush'] as const;
const STATES = { waiting: 'wait', active: 'active', delayed: 'delayed', failed: 'failed' } as const;
const REASONS = [
  'key_refused',
  'quota',
  'budget',
  'failures',
  'sink',
  'source_changed',
  'wrong_endpoint',
] as const;

const collectedAt = new WeakMap<Pipeline, number>();

/** Brings the gauges of the process' Gateway and key up to date; at most once a second, however often it is scraped. */
export async function collectGauges(pipeline: Pipeline): Promise<void> {
  const now = Date.now();
  if (now - (collectedAt.get(pipeline) ?? 0) < CACHE_MS) return;
  collectedAt.set(pipeline, now);
  const { metrics, prefix, redis } = pipeline;
  const { rate } = await pipeline.budget.snapshot();
  metrics.rateLimit.set(rate ?? Number.POSITIVE_INFINITY);

  const runs = (await listRuns(redis, prefix)).filter(
    ({ gateway, keyFingerprint }) =>
      gateway === pipeline.origin && keyFingerprint === pipeline.keyFingerprint,
  );
  metrics.runLines.reset();
  metrics.runBlocked.reset();
  const jobs = new Map<string, number>();
  for (const { id } of runs) {
    const reading = await readRun(redis, prefix, id);
    if (reading === null) continue;
    const { status } = reading;
    const states = {
      total: status.lines,
      queued: status.queued,
      in_flight: status.in_flight,
      settled: status.settled,
      failed: status.failed,
    };
    for (const [state, lines] of Object.entries(states)) metrics.runLines.set({ run: id, state }, lines);
    for (const reason of REASONS)
      metrics.runBlocked.set(
        { run: id, reason },
        status.state === 'blocked' && status.reason === reason ? 1 : 0,
      );
    if (!reading.summedUp) await countJobs(pipeline, id, jobs);
  }
  for (const queue of QUEUES)
    for (const state of Object.keys(STATES))
      metrics.queueJobs.set({ queue, state }, jobs.get(`${queue} ${state}`) ?? 0);
}

async function countJobs(
  { redis, prefix }: Pipeline,
  runId: string,
  jobs: Map<string, number>,
): Promise<void> {
  const keys = runKeys(prefix, runId);
  const pipeline = redis.pipeline();
  const names: string[] = [];
  for (const queue of QUEUES)
    for (const [state, list] of Object.entries(STATES)) {
      names.push(`${queue} ${state}`);
      const key = queueKey(keys, queue, list);
      if (state === 'delayed' || state === 'failed') pipeline.zcard(key);
      else pipeline.llen(key);
    }
  const answers = (await pipeline.exec()) ?? [];
  for (const [index, name] of names.entries())
    jobs.set(name, (jobs.get(name) ?? 0) + Number(answers[index]?.[1] ?? 0));
}
