import type { BudgetSnapshot } from '../../budget/index.js';
import type { RedisClient } from '../../redis/connection.js';
import type { ReadForecast } from '../../results/write-summary.js';
import type { Planned, RunForecast } from '../../runs/forecast.js';
import { type RunKeys, runKeys } from '../../runs/keys.js';
import type { RunReading } from '../../runs/read-status.js';
import { type SettleObservations, settledIn, settleTimes } from '../../runs/settle-times.js';
import { MIN_LINES } from '../min-lines.js';
import { rateToPlanWith } from '../rate-to-plan-with.js';
import type { Known } from './facts.js';
import { forecastOf } from './run-forecast.js';

/** How long a plan is kept for a run that has not begun, s. */
const PLAN_KEPT_S = 30 * 86_400;

/** What is known of a run besides its counts. Reads two keys, whose size does not depend on the number of lines. */
export async function readKnown(
  redis: RedisClient,
  keys: RunKeys,
  budget: Pick<BudgetSnapshot, 'rate' | 'sustained' | 'source' | 'mode' | 'quota'> | null,
): Promise<Known> {
  const [{ sum: _sum, ...fields }, planned] = await Promise.all([
    redis.hgetall(keys.settleTimes),
    redis.get(keys.planned),
  ]);
  const seen: SettleObservations = new Map(
    Object.entries(fields).map(([field, count]) => [field, Number(count)]),
  );
  const settle = settledIn(seen) >= MIN_LINES ? settleTimes(seen) : null;
  const rate = budget === null ? null : rateToPlanWith(budget);
  const byUser = budget?.source === 'flag' || budget?.source === 'command';
  return {
    planned: planned === null ? null : (JSON.parse(planned) as Planned),
    settle,
    rate,
    quota: budget?.quota ?? null,
    limitedBy: rate === null ? null : byUser ? 'user' : 'gateway',
  };
}

/** The forecast of a running run, or the comparison of an ended one with its forecast. */
export async function readForecast(
  redis: RedisClient,
  keys: RunKeys,
  reading: RunReading,
  budget: Pick<BudgetSnapshot, 'rate' | 'sustained' | 'source' | 'mode' | 'quota'> | null,
): Promise<RunForecast> {
  return forecastOf(reading, await readKnown(redis, keys, budget));
}

/** Forecasts without the budget's present rate: for runs that have ended or wait. */
export const forecastReader =
  (redis: RedisClient, prefix: string): ReadForecast =>
  (reading) =>
    readForecast(redis, runKeys(prefix, reading.record.id), reading, null);

/** Puts the forecast and what follows from it into a reading's status. */
export function putForecastInStatus(reading: RunReading, forecast: RunForecast): void {
  reading.status.forecast = forecast;
  const left = forecast.expected?.seconds_left ?? null;
  if (reading.status.state !== 'completed') reading.status.eta_seconds = left === null ? null : left.expected;
}

/** Keeps the forecast of `plan` or a pilot for a run that has not begun. The latest one replaces the others. */
export async function rememberPlan(redis: RedisClient, keys: RunKeys, planned: Planned): Promise<void> {
  const { cost_sats, calls, seconds } = planned;
  if (cost_sats === null && calls === null && seconds === null) return;
  if ((await redis.exists(keys.record)) === 0)
    await redis.set(keys.planned, JSON.stringify(planned), 'EX', PLAN_KEPT_S);
}

/** Keeps the run's own first forecast, unless there is one already (`NX`). */
export const rememberFirst = (redis: RedisClient, keys: RunKeys, planned: Planned) =>
  redis.set(keys.planned, JSON.stringify(planned), 'NX');
