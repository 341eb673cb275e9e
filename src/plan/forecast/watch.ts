import type { Logger } from 'pino';
import type { Budget } from '../../budget/index.js';
import type { RedisClient } from '../../redis/connection.js';
import type { Planned, RunForecast } from '../../runs/forecast.js';
import { runKeys } from '../../runs/keys.js';
import type { RunReading } from '../../runs/read-status.js';
import { putForecastInStatus, readForecast, rememberFirst } from './known.js';

/** A forecast older than this is made again, ms. */
const MAX_AGE_MS = 2_000;
/** From this many settled lines on, or from half of all lines, the run keeps its own first forecast. */
const MIN_SETTLED = 100;

/** Forecasts one run while it runs, keeps its first forecast, and logs once when the run will be late. */
export function watchForecast(
  {
    redis,
    prefix,
    budget,
    log,
  }: { redis: RedisClient; prefix: string; budget: Pick<Budget, 'snapshot'>; log: Logger },
  run: string,
) {
  const keys = runKeys(prefix, run);
  let [madeAt, last]: [number, RunForecast | null] = [Number.NEGATIVE_INFINITY, null];
  let lateIsLogged = false;

  async function make(reading: RunReading): Promise<RunForecast> {
    const forecast = await readForecast(redis, keys, reading, await budget.snapshot());
    const first = forecast.planned === null ? firstOf(reading, forecast) : null;
    if (first !== null) await rememberFirst(redis, keys, first);
    const late = forecast.finish_by?.kept === false ? forecast.finish_by.message : null;
    if (late !== null && !lateIsLogged) log.warn({ run }, late);
    lateIsLogged ||= late !== null;
    return forecast;
  }

  return {
    /** Puts the forecast into the reading's status. Makes a new one every two seconds, if Redis answers. */
    async look(reading: RunReading): Promise<void> {
      if (last === null || reading.summedUp || performance.now() - madeAt >= MAX_AGE_MS) {
        madeAt = performance.now();
        // A failed forecast must not stop the run.
        const made = make(reading).catch((error: unknown) => {
          log.debug({ err: error, run }, 'no forecast was made');
          return last;
        });
        last = await made;
      }
      if (last !== null) putForecastInStatus(reading, last);
    },
  };
}

function firstOf({ status }: RunReading, { expected }: RunForecast): Planned | null {
  if (expected === null || expected.seconds === null || expected.calls === null) return null;
  const half = status.produced && status.settled * 2 >= status.lines;
  if (status.settled < MIN_SETTLED && !half) return null;
  const { cost_sats, calls, seconds } = expected;
  return { by: 'run', at: new Date().toISOString(), cost_sats, calls, seconds };
}
