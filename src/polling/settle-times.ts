import type { SettledResult } from '../gateway/types.js';

/** Settle times are counted in bins whose bounds grow by this factor: a week and a millisecond are 250 bins apart. */
const GROWTH = 1.1;

export const binOf = (ms: number): number =>
  Math.max(0, Math.round(Math.log(Math.max(1, ms)) / Math.log(GROWTH)));
const timeOf = (bin: number): number => GROWTH ** bin;

/** How often each settle time was seen; ascending, with the sum of all counts. */
export interface SettleTimes {
  times: readonly { ms: number; count: number }[];
  total: number;
}

export function settleTimes(counts: ReadonlyMap<number, number>): SettleTimes {
  const times = [...counts]
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => a - b)
    .map(([bin, count]) => ({ ms: timeOf(bin), count }));
  return { times, total: times.reduce((sum, { count }) => sum + count, 0) };
}

/** The time by which this share of the tasks had settled. */
export function quantile({ times, total }: SettleTimes, share: number): number {
  let seen = 0;
  for (const { ms, count } of times) {
    seen += count;
    if (seen >= share * total) return ms;
  }
  return times.at(-1)?.ms ?? 0;
}

/** How long a task took: by the Gateway's own clock where its answer tells, else a little less than its age. */
export function settleTimeMs(result: SettledResult, ageMs: number): number {
  const told = epochMs(result.settled_at) - epochMs(result.created_at);
  return told >= 0 && told <= ageMs + CLOCKS_APART_MS ? told : Math.max(1, ageMs * FOUND_AFTER);
}

/** Polls find a task settled somewhere between the last one and this one, which are a factor apart. */
const FOUND_AFTER = 0.85;
/** Whole seconds, and the way there and back. */
const CLOCKS_APART_MS = 2_000;

/** ISO 8601, or Unix time in seconds or milliseconds; NaN for anything else. */
function epochMs(time: string | number | null | undefined): number {
  if (typeof time === 'string') return Date.parse(time);
  if (typeof time !== 'number') return Number.NaN;
  return time < 1e11 ? time * 1000 : time;
}
