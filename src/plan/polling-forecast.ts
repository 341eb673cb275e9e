import { choosePlan, costOf } from '../consumers/poll-schedule/plan.js';
import { seededRandom } from '../lib/seeded-random.js';
import type { RunPolicy } from '../runs/record.js';
import type { SettleTimes } from '../runs/settle-times.js';
import { simulateRun } from './simulate-run.js';

export interface PollingForecast {
  pollsPerLabel: number;
  /** Seconds from the first submission to the last result. */
  seconds: number;
}

/** At most this many tasks are simulated: a second or so. */
const MOST_SIMULATED = 20_000;
/** The share of the in-flight window that a poll plan may fill (`polls.ts`). */
const WINDOW = 0.8;

/** Polls of a label in the middle of a run, where calls are scarce. */
export function steadyPolls(seen: SettleTimes, policy: RunPolicy, callsPerSecond: number): number {
  const gaps = { leastMs: policy.pollDelayMs, greatestMs: policy.pollMaxDelayMs };
  const room = { tasks: WINDOW * policy.maxInFlight, callsPerSecond };
  return costOf(choosePlan(seen, 'scarce', gaps, room), seen, gaps).pollsPerLabel;
}

/**
 * How many polls `tasks` tasks take, and when the last result is collected, if they settle like the observed ones. A
 * run of few tasks is simulated completely. Of a longer run only the beginning and the end are simulated; for the
 * middle the poll plan gives the number.
 */
export async function forecastPolling(
  seen: SettleTimes,
  policy: RunPolicy,
  tasks: number,
  callsPerSecond: number,
  concurrency: number,
): Promise<PollingForecast> {
  if (tasks === 0) return { pollsPerLabel: 0, seconds: 0 };
  const gaps = { leastMs: policy.pollDelayMs, greatestMs: policy.pollMaxDelayMs };
  const room = { tasks: WINDOW * policy.maxInFlight, callsPerSecond };
  const steady = costOf(choosePlan(seen, 'scarce', gaps, room), seen, gaps);
  const inFlight = (steady.inFlightMs / 1000) * (callsPerSecond / (1 + steady.pollsPerLabel));
  // At most a third of the simulated tasks is in flight at a time. A larger run is simulated at a smaller scale.
  const share = Math.min(1, MOST_SIMULATED / 3 / Math.max(1, Math.min(inFlight, policy.maxInFlight)));
  const scaled = Math.max(1, Math.round(tasks * share));
  const simulated = Math.min(scaled, MOST_SIMULATED);
  const outcome = await simulateRun({
    times: draw(seen, simulated),
    callsPerSecond: callsPerSecond * share,
    policy: { ...policy, maxInFlight: Math.max(1, Math.round(policy.maxInFlight * share)) },
    concurrency: Math.max(1, Math.round(concurrency * share)),
  });
  const between = scaled - simulated;
  const perSecond = Math.min(
    callsPerSecond / (1 + steady.pollsPerLabel),
    policy.maxInFlight / Math.max(0.001, steady.inFlightMs / 1000),
  );
  return {
    pollsPerLabel: (outcome.polls + between * steady.pollsPerLabel) / scaled,
    seconds: outcome.seconds + between / (perSecond * share),
  };
}

/** Assumed settle times may not exceed the longest observed one by more than this factor. */
const BEYOND_SEEN = 1.5;
/** When at most this share of the tasks was not seen to settle, no longer settle times are assumed. */
const NONE_BEYOND = 0.01;

/** The longest settle time that a forecast assumes, ms. */
export function longestMs(settle: SettleTimes): number {
  return settle.seenToMs * (1 - seenShare(settle) <= NONE_BEYOND ? 1 : BEYOND_SEEN);
}

export function meanSeconds(settle: SettleTimes): number {
  const longest = longestMs(settle);
  return (
    settle.times.reduce((sum, { ms, count }) => sum + Math.min(ms, longest) * count, 0) / settle.total / 1000
  );
}

/** The share of the tasks that was seen to settle; the rest is assumed. */
export const seenShare = ({ times, total, seenToMs }: SettleTimes): number =>
  times.reduce((sum, { ms, count }) => sum + (ms <= seenToMs ? count : 0), 0) / total;

/** Settle times with their observed frequencies, in random order. */
function draw(settle: SettleTimes, count: number): number[] {
  const { times, total } = settle;
  const longest = longestMs(settle);
  const drawn: number[] = [];
  let [at, upTo] = [0, times[0]?.count ?? 0];
  for (let n = 0; n < count; n += 1) {
    const place = ((n + 0.5) / count) * total;
    while (place > upTo && at < times.length - 1) upTo += times[++at]?.count ?? 0;
    drawn.push(Math.min(times[at]?.ms ?? 0, longest));
  }
  const random = seededRandom(count);
  for (let n = drawn.length - 1; n > 0; n -= 1) {
    const other = Math.floor(random() * (n + 1));
    [drawn[n], drawn[other]] = [drawn[other] ?? 0, drawn[n] ?? 0];
  }
  return drawn;
}
