import type { ChainableCommander } from 'ioredis';
import type { BudgetSnapshot } from '../../budget/index.js';
import { putForecastInStatus, readForecast } from '../../plan/forecast/known.js';
import type { RedisClient } from '../../redis/connection.js';
import { readGroups, redisNow } from '../../redis/read-groups.js';
import { readBudget } from '../../runs/allowed-rate.js';
import { runKeys, runsIndexKey } from '../../runs/keys.js';
import { parseRunReads, queueRunReads, type RunReading } from '../../runs/read-status.js';
import { examplesOf, type FailureExample, type History, historyOf } from '../../runs/timeline.js';
import { waitingForOf } from '../../runs/waiting-for.js';

export interface ShownRun extends RunReading {
  /** Gateway calls per second now allowed to the run's key; null: no limit in force, or the run has ended. */
  allowed: number | null;
}

export interface ShownHistory extends ShownRun {
  history: History;
  /** Failed lines by code. */
  examples: Record<string, FailureExample[]>;
}

export interface ShownRuns {
  /** The newest first. */
  runs: ShownRun[];
  /** Runs on record. */
  total: number;
}

/** The newest runs of the prefix, of all owners. */
export async function readNewest(redis: RedisClient, prefix: string, most: number): Promise<ShownRuns> {
  const [[newest, total]] = (await readGroups(redis, [
    (pipeline: ChainableCommander) => {
      pipeline.zrevrange(runsIndexKey(prefix), 0, most - 1);
      pipeline.zcard(runsIndexKey(prefix));
    },
  ])) as [[string[], number]];
  const asks = newest.map(
    (id) => (pipeline: ChainableCommander) => queueRunReads(pipeline, runKeys(prefix, id)),
  );
  const [answers, nowMs] = await Promise.all([readGroups(redis, asks), redisNow(redis)]);
  const readings = answers.map((each) => parseRunReads(each, nowMs)).filter((reading) => reading !== null);
  // Runs of one key have one limit: it is asked for once.
  const budgets = new Map<string, Promise<BudgetSnapshot>>();
  const budgetOf = ({ record }: RunReading) => {
    if (record.endedAt !== null) return null;
    const key = `${record.keyFingerprint}@${record.gateway}`;
    const asked = budgets.get(key) ?? readBudget(redis, prefix, record);
    budgets.set(key, asked);
    return asked;
  };
  const runs = readings.map(async (reading) => addForecast(redis, prefix, reading, await budgetOf(reading)));
  return { runs: await Promise.all(runs), total };
}

async function addForecast(
  redis: RedisClient,
  prefix: string,
  reading: RunReading,
  budget: BudgetSnapshot | null,
): Promise<ShownRun> {
  putForecastInStatus(
    reading,
    await readForecast(redis, runKeys(prefix, reading.record.id), reading, budget),
  );
  if (budget !== null) Object.assign(reading.status, waitingForOf(reading, budget));
  return { ...reading, allowed: budget?.rate ?? null };
}

/** One run with its history, in one round trip; null when it is not on record. */
export async function readShown(
  redis: RedisClient,
  prefix: string,
  id: string,
): Promise<ShownHistory | null> {
  const keys = runKeys(prefix, id);
  const [read, nowMs] = await Promise.all([
    readGroups(redis, [
      (pipeline) => void pipeline.hgetall(keys.history).hgetall(keys.examples),
      (pipeline) => queueRunReads(pipeline, keys, true),
    ]),
    redisNow(redis),
  ]);
  const [[history, examples], answers] = read as [
    [Record<string, string>, Record<string, string>],
    unknown[],
  ];
  const reading = parseRunReads(answers, nowMs);
  if (reading === null) return null;
  const live = reading.record.endedAt === null;
  const budget = live ? await readBudget(redis, prefix, reading.record) : null;
  return {
    ...(await addForecast(redis, prefix, reading, budget)),
    history: historyOf(history),
    examples: examplesOf(examples),
  };
}
