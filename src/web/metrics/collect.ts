import type { ChainableCommander } from 'ioredis';
import type { Gauges } from '../../metrics/gauges.js';
import type { Pipeline } from '../../pipeline/pipeline.js';
import { putForecastInStatus, readForecast } from '../../plan/forecast/known.js';
import { QUEUE_NAMES, queueKey } from '../../queues/queues.js';
import { readGroups, redisNow } from '../../redis/read-groups.js';
import { readServerInfo } from '../../redis/server-info.js';
import { type RunKeys, runKeys, runsIndexKey } from '../../runs/keys.js';
import { parseRunReads, queueRunReads, type RunReading } from '../../runs/read-status.js';
import type { BlockReason, RunState } from '../../runs/status.js';

const CACHE_MS = 1_000;
/** An ended run stays in the metrics for this time, so that its last figures are scraped. */
const ENDED_MS = 3_600_000;
/** BullMQ keeps the jobs of a paused queue where they waited. */
const STATES = { waiting: ['wait', 'paused'], active: ['active'], delayed: ['delayed'], failed: ['failed'] };
const SETS = new Set(['delayed', 'failed']);
const REASONS: Record<BlockReason, true> = {
  key_refused: true,
  quota: true,
  budget: true,
  spend: true,
  failures: true,
  gold: true,
  sink: true,
  source_changed: true,
  wrong_endpoint: true,
  unreachable: true,
};
const RUN_STATES: Record<RunState, true> = {
  running: true,
  paused: true,
  blocked: true,
  completed: true,
  cancelled: true,
};

interface Collected {
  at: number;
  done: Promise<void>;
  /** Runs to read, as of the last scrape, and runs that are not this process' or ended long ago. */
  known: Set<string>;
  passedOver: Set<string>;
}

const collected = new WeakMap<Pipeline, Collected>();

/** Brings the gauges of the process' Gateway and key up to date; at most once a second, however often it is scraped. */
export function collectGauges(pipeline: Pipeline): Promise<void> {
  const last = collected.get(pipeline);
  if (last && Date.now() - last.at < CACHE_MS) return last.done;
  const { known, passedOver } = last ?? { known: new Set<string>(), passedOver: new Set<string>() };
  const done = collect(pipeline, known, passedOver);
  const now: Collected = { at: Date.now(), done, known, passedOver };
  collected.set(pipeline, now);
  // A scrape that failed is not kept: the next one tries again.
  done.catch(() => {
    now.at = 0;
  });
  return done;
}

async function collect(pipeline: Pipeline, known: Set<string>, passedOver: Set<string>): Promise<void> {
  const { redis, budget, metrics } = pipeline;
  const { gauges } = metrics;
  const [runs, snapshot, nodes] = await Promise.all([
    readRuns(pipeline, known, passedOver),
    budget.snapshot(),
    readServerInfo(redis),
  ]);
  for (const gauge of Object.values(gauges)) gauge.reset();
  gauges.rateLimit.set(snapshot.rate ?? Number.POSITIVE_INFINITY);
  gauges.pause.set(snapshot.pausedForMs / 1000);
  gauges.circuit.set(snapshot.circuitOpen ? 1 : 0);
  for (const { node, usedBytes, limitBytes, evictedKeys } of nodes) {
    gauges.redisMemory.set({ node }, usedBytes);
    gauges.redisMemoryLimit.set({ node }, limitBytes);
    gauges.redisEvicted.set({ node }, evictedKeys);
  }
  for (const queue of QUEUE_NAMES)
    for (const state of Object.keys(STATES)) gauges.queueJobs.set({ queue, state }, 0);
  await Promise.all(
    runs.map(async ({ reading }) => {
      const keys = runKeys(pipeline.prefix, reading.record.id);
      putForecastInStatus(reading, await readForecast(redis, keys, reading, snapshot));
    }),
  );
  for (const { reading, jobs } of runs) {
    for (const { queue, state, count } of jobs) gauges.queueJobs.inc({ queue, state }, count);
    setRun(gauges, reading);
  }
}

interface ReadRun {
  reading: RunReading;
  jobs: { queue: string; state: string; count: number }[];
}

/** One round trip while the set of runs stays as it is; runs that are new cost a second one. */
async function readRuns(
  { redis, prefix, origin, keyFingerprint }: Pipeline,
  known: Set<string>,
  passedOver: Set<string>,
): Promise<ReadRun[]> {
  const index = (pipeline: ChainableCommander) => void pipeline.zrange(runsIndexKey(prefix), '0', '-1');
  const groupOf = (id: string) => (pipeline: ChainableCommander) => askAll(pipeline, runKeys(prefix, id));
  const before = [...known];
  const [read, nowMs] = await Promise.all([
    readGroups(redis, [index, ...before.map(groupOf)]),
    redisNow(redis),
  ]);
  const [[ids], ...answers] = read as [[string[]], ...unknown[][]];
  const listed = new Set(ids);
  for (const id of passedOver) if (!listed.has(id)) passedOver.delete(id);
  const newIds = ids.filter((id) => !known.has(id) && !passedOver.has(id));
  if (newIds.length > 0) answers.push(...(await readGroups(redis, newIds.map(groupOf))));

  const runs: ReadRun[] = [];
  known.clear();
  for (const [at, id] of [...before, ...newIds].entries()) {
    const reading = parseRunReads((answers[at] ?? []).slice(LENGTHS.length), nowMs);
    if (reading === null || !listed.has(id)) continue;
    const { gateway, keyFingerprint: key, endedAt } = reading.record;
    const ours = gateway === origin && key === keyFingerprint;
    if (!ours || (endedAt !== null && Date.now() - Date.parse(endedAt) > ENDED_MS)) {
      passedOver.add(id);
      continue;
    }
    known.add(id);
    const jobs = LENGTHS.map(({ queue, state }, i) => ({
      queue,
      state,
      count: Number(answers[at]?.[i] ?? 0),
    }));
    runs.push({ reading, jobs });
  }
  return runs;
}

const LENGTHS = QUEUE_NAMES.flatMap((queue) =>
  Object.entries(STATES).flatMap(([state, lists]) => lists.map((list) => ({ queue, state, list }))),
);

function askAll(pipeline: ChainableCommander, keys: RunKeys): void {
  for (const { queue, list } of LENGTHS) {
    const key = queueKey(keys, queue, list);
    if (SETS.has(list)) pipeline.zcard(key);
    else pipeline.llen(key);
  }
  queueRunReads(pipeline, keys);
}

function setRun(gauges: Gauges, { record, status, unflushed }: RunReading): void {
  const run = record.id;
  const { lines: total, queued, in_flight, settled, failed, unchanged } = status;
  for (const [state, lines] of Object.entries({ total, queued, in_flight, settled, failed, unchanged }))
    gauges.runLines.set({ run, state }, lines);
  for (const state of Object.keys(RUN_STATES))
    gauges.runState.set({ run, state }, Number(status.state === state));
  for (const reason of Object.keys(REASONS))
    gauges.runBlocked.set({ run, reason }, Number(status.state === 'blocked' && status.reason === reason));
  for (const [code, count] of Object.entries(status.failures)) gauges.runFailures.set({ run, code }, count);
  for (const [operation, statuses] of Object.entries(status.gateway_calls))
    for (const [code, count] of Object.entries(statuses))
      gauges.runCalls.set({ run, operation, status: code }, count);
  gauges.runBackoff.set({ run }, status.backoff_seconds);
  gauges.runCost.set({ run }, status.cost_sats);
  if (status.eta_seconds !== null) gauges.runEta.set({ run }, status.eta_seconds);
  const { expected = null, actual = null } = status.forecast ?? {};
  const cost = expected?.cost_sats?.expected ?? actual?.cost_sats;
  if (cost !== undefined) gauges.forecastCost.set({ run }, cost);
  const end = expected?.ends_at ?? record.endedAt;
  if (end !== null) gauges.forecastEnd.set({ run }, Date.parse(end) / 1000);
  gauges.runUnwritten.set({ run }, unflushed.rows);
}
