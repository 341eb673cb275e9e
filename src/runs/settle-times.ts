import { epochMs } from '../gateway/epoch-ms.js';
import type { SettledResult } from '../gateway/types.js';

/**
 * Settle times are counted in bins whose bounds grow by this factor: a week and a millisecond are 420 bins apart. A plan
 * is held against the bins' middles: with wider ones it fits those rather than the tasks.
 */
const GROWTH = 1.05;

const binOf = (ms: number): number => Math.max(0, Math.round(Math.log(Math.max(1, ms)) / Math.log(GROWTH)));
const timeOf = (bin: number): number => GROWTH ** bin;

/**
 * The observed settle times, by bin: `w<bin>` tasks that were watched through that stretch of their lives, `s<bin>`
 * those among them that settled in it. Tasks that are still in progress count as well. The first to settle are the
 * quick ones; alone they would make the Gateway seem quicker than it is.
 */
export type SettleObservations = Map<string, number>;

/** A poll found the task in progress at this age; `fromMs` is the age of the poll before, 0 for the first one. */
export const countPending = (sightings: SettleObservations, fromMs: number, ageMs: number): void =>
  watch(sightings, firstAfter(fromMs), binOf(ageMs));

export function countSettled(sightings: SettleObservations, fromMs: number, settledMs: number): void {
  const first = firstAfter(fromMs);
  const bin = Math.max(first, binOf(settledMs));
  watch(sightings, first, bin);
  add(sightings, `s${bin}`);
}

const firstAfter = (fromMs: number) => (fromMs > 0 ? binOf(fromMs) + 1 : 0);

function watch(sightings: SettleObservations, first: number, last: number): void {
  for (let bin = first; bin <= last; bin += 1) add(sightings, `w${bin}`);
}

const add = (sightings: SettleObservations, field: string) =>
  sightings.set(field, (sightings.get(field) ?? 0) + 1);

/** How many results the observations hold. */
export const settledIn = (sightings: ReadonlyMap<string, number>): number =>
  [...sightings].reduce((sum, [field, count]) => sum + (field.startsWith('s') ? count : 0), 0);

/** The shares of the tasks by settle time; ascending, with the sum of all. */
export interface SettleTimes {
  times: readonly { ms: number; count: number }[];
  total: number;
  /** The age up to which this was observed; settle times above it are assumed. */
  seenToMs: number;
}

/** Fewer tasks than this at an age say too little. */
const FEW = 3;
/** Beyond the observed range, half of the tasks settle with each doubling of their age, this many times. */
const DOUBLINGS = 3;

/** The product-limit estimate (Kaplan and Meier, 1958): of those that were watched at an age, how many settled at it. */
export function settleTimes(sightings: ReadonlyMap<string, number>): SettleTimes {
  const times: { ms: number; count: number }[] = [];
  let [alive, horizon] = [1, 1];
  for (let bin = 0; alive > 0; bin += 1) {
    const watched = sightings.get(`w${bin}`) ?? 0;
    if (watched < FEW) break;
    horizon = timeOf(bin);
    const count = alive * Math.min(1, (sightings.get(`s${bin}`) ?? 0) / watched);
    if (count > 0) times.push({ ms: horizon, count });
    alive -= count;
  }
  for (let n = 1; alive > 1e-6 && n <= DOUBLINGS; n += 1) {
    const count = n === DOUBLINGS ? alive : alive / 2;
    times.push({ ms: horizon * 2 ** (n - 0.5), count });
    alive -= count;
  }
  return { times, total: times.reduce((sum, { count }) => sum + count, 0), seenToMs: horizon };
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

/**
 * A task's settle time by the Gateway's own clock, if its answer has a possible one. Else some time between the poll
 * that found it in progress and this one.
 */
export function settleTimeMs(result: SettledResult, fromMs: number, ageMs: number): number {
  const gatewayMs = gatewayTimeMs(result, ageMs);
  if (gatewayMs !== null) return gatewayMs;
  return fromMs + Math.random() * (ageMs - fromMs);
}

/** The Gateway's own time for a task, by its clock; null where its answer has none, or an impossible one. */
export function gatewayTimeMs(
  result: Pick<SettledResult, 'settled_at' | 'created_at'>,
  ageMs: number,
): number | null {
  const gatewayMs = epochMs(result.settled_at) - epochMs(result.created_at);
  return gatewayMs >= 0 && gatewayMs <= ageMs + CLOCKS_APART_MS ? gatewayMs : null;
}

/** The Gateway's times are whole seconds, and the call takes time. */
const CLOCKS_APART_MS = 2_000;
