import { createBudget } from '../budget/index.js';
import type { RedisClient } from '../redis/connection.js';
import { budgetKey, runKeys } from '../runs/keys.js';
import { type RunReading, readRun } from '../runs/read-status.js';
import { listRuns, type RunHead, type TaskOptions } from '../runs/record.js';
import { type SettleObservations, type SettleTimes, settledIn, settleTimes } from '../runs/settle-times.js';
import { boughtLines } from '../runs/status.js';
import { MIN_LINES } from './min-lines.js';
import { type Price, priceOf } from './price.js';
import { rateToPlanWith } from './rate-to-plan-with.js';
import { type KnownShare, knownShare } from './second-share.js';

export interface KnownRate {
  /** Gateway calls per second. */
  value: number;
  /** `search`: learned by runs of this key. `history`: no limit is known, so this is the rate of the last run. */
  source: 'flag' | 'command' | 'header' | 'search' | 'history';
}

/** The facts that the runs of this key and Gateway in Redis give about the next run. */
export interface History {
  /** The price of a first task, without second tasks. */
  price: Price | null;
  /** The share of lines that `--escalate` asks again. */
  second: KnownShare | null;
  settle: SettleTimes | null;
  /** Polls for each task, mean over past runs. */
  pollsPerLabel: number | null;
  rate: KnownRate | null;
  /** Other runs of the key that are going on: they share its rate. */
  live: number;
}

export const NO_HISTORY: History = {
  price: null,
  second: null,
  settle: null,
  pollsPerLabel: null,
  rate: null,
  live: 0,
};

const MAX_RUNS_READ = 30;
/** With this many labels from runs that ask the same question, other runs are left out. */
const MIN_SAME_LABELS = 100;
/** A run shorter than this says nothing about a pace. */
const MIN_RUN_SECONDS = 5;

export interface HistoryQuery {
  gateway: string;
  keyFingerprint: string;
  task: TaskOptions;
  /** The planned run, which does not count among the other runs. */
  runId: string;
}

export async function readHistory(redis: RedisClient, prefix: string, query: HistoryQuery): Promise<History> {
  const records = (await listRuns(redis, prefix)).filter(
    ({ gateway, keyFingerprint }) => gateway === query.gateway && keyFingerprint === query.keyFingerprint,
  );
  const newest = records.slice(-MAX_RUNS_READ).reverse();
  const readings = (await Promise.all(newest.map(({ id }) => readRun(redis, prefix, id)))).filter(
    (reading) => reading !== null,
  );
  const alike = readings.filter(({ record }) => hasSameQuestion(record.task, query.task));
  const enough = alike.reduce((sum, { status }) => sum + boughtLines(status), 0) >= MIN_SAME_LABELS;
  const used = enough ? alike : readings;
  const price = priceOf(used.map(paidOf));
  const tasks = used.reduce(
    (sum, { status }) => sum + boughtLines(status) + (status.escalated?.lines ?? 0),
    0,
  );
  const polls = used.reduce((sum, reading) => sum + paidOf(reading).polls, 0);
  return {
    price,
    second: await knownShare(redis, prefix, used, query.task.escalate),
    settle: await settleTimesOf(
      redis,
      prefix,
      used.map(({ record }) => record),
    ),
    pollsPerLabel: tasks > 0 ? polls / tasks : null,
    rate: (await knownRate(redis, prefix, query)) ?? paceOf(readings),
    live: readings.filter(({ record }) => record.state === 'running' && record.id !== query.runId).length,
  };
}

const hasSameQuestion = (a: TaskOptions, b: TaskOptions) =>
  a.taskType === b.taskType &&
  a.consensusThreshold === b.consensusThreshold &&
  JSON.stringify(a.labelSpec) === JSON.stringify(b.labelSpec);

/** What a run paid for its first tasks. */
const paidOf = ({ status }: RunReading) => ({
  settled: boughtLines(status),
  costSats: status.cost_sats - (status.escalated?.cost_sats ?? 0),
  polls: Math.round((status.polls_per_label ?? 0) * boughtLines(status)),
});

/** From the newest run that has seen enough; if none has, from the one that has seen most, such as a small pilot. */
async function settleTimesOf(
  redis: RedisClient,
  prefix: string,
  records: readonly RunHead[],
): Promise<SettleTimes | null> {
  let [most, best]: [number, SettleObservations | null] = [MIN_LINES - 1, null];
  for (const { id } of records) {
    const { sum: _sum, ...fields } = await redis.hgetall(runKeys(prefix, id).settleTimes);
    const seen: SettleObservations = new Map(
      Object.entries(fields).map(([field, count]) => [field, Number(count)]),
    );
    const settled = settledIn(seen);
    if (settled >= MIN_SAME_LABELS) return settleTimes(seen);
    if (settled > most) [most, best] = [settled, seen];
  }
  return best === null ? null : settleTimes(best);
}

/** Only reads the budget: it neither sets nor changes a limit. */
async function knownRate(
  redis: RedisClient,
  prefix: string,
  { keyFingerprint, gateway }: HistoryQuery,
): Promise<KnownRate | null> {
  const budget = createBudget({ redis, key: budgetKey(prefix, keyFingerprint, gateway) });
  try {
    const now = await budget.snapshot();
    const value = rateToPlanWith(now);
    return value === null || now.source === 'none' ? null : { value, source: now.source };
  } finally {
    await budget.close();
  }
}

function paceOf(readings: readonly RunReading[]): KnownRate | null {
  for (const { record, status } of readings) {
    if (record.endedAt === null) continue;
    const seconds = (Date.parse(record.endedAt) - Date.parse(record.startedAt)) / 1000;
    const calls = callsOf(status.gateway_calls);
    if (seconds >= MIN_RUN_SECONDS && calls > 0) return { value: calls / seconds, source: 'history' };
  }
  return null;
}

export const callsOf = (calls: Record<string, Record<string, number>>): number =>
  Object.values(calls)
    .flatMap((byStatus) => Object.values(byStatus))
    .reduce((sum, n) => sum + n, 0);
