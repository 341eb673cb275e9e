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

/** A plan is remembered for so long until its run begins. */
const PLAN_KEPT_S = 30 * 86_400;

/** The known facts of a run beside its counts: two keys, whose size does not depend on the lines. */
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

/** How the run is going to end, or has ended. */
export async function readForecast(
  redis: RedisClient,
  keys: RunKeys,
  reading: RunReading,
  budget: Pick<BudgetSnapshot, 'rate' | 'sustained' | 'source' | 'mode' | 'quota'> | null,
): Promise<RunForecast> {
  return forecastOf(reading, await readKnown(redis, keys, budget));
}

/** Forecasts without what the budget knows now: for runs that have ended, or wait. */
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

/** The forecast of `plan` or a pilot for a run that has not begun; the latest counts. */
export async function rememberPlan(redis: RedisClient, keys: RunKeys, planned: Planned): Promise<void> {
  const { cost_sats, calls, seconds } = planned;
  if (cost_sats === null && calls === null && seconds === null) return;
  if ((await redis.exists(keys.record)) === 0)
    await redis.set(keys.planned, JSON.stringify(planned), 'EX', PLAN_KEPT_S);
}

/** The run's own first forecast, if none was planned. The first process to say so wins. */
export const rememberFirst = (redis: RedisClient, keys: RunKeys, planned: Planned) =>
  redis.set(keys.planned, JSON.stringify(planned), 'NX');
