import type { SettledResult } from '../../gateway/types.js';
import type { RunReading } from '../../runs/read-status.js';
import type { RunPolicy } from '../../runs/record.js';
import {
  countPending,
  countSettled,
  quantile,
  type SettleObservations,
  settledIn,
  settleTimeMs,
  settleTimes,
} from '../../runs/settle-times.js';
import { nextPollMs } from './documented-schedule.js';
import { choosePlan, type Gaps, gapMs, type InFlightWindow, type PollPlan, type Price } from './plan.js';

/** From this many results on, the run's own settle times outrank the documentation's advice. */
const MIN_RESULTS_TO_PLAN = 100;
/** All of a source's first lines are sampled; then one in n, where n grows by one for each `CALLS_PER_SECOND`. */
const FIRST_LINES = 2_000;
const ONE_IN = 7;
const CALLS_PER_SECOND = 150;
/** A task that gets a webhook delivery is polled only in case the delivery was lost: this many times more rarely, */
const SAFETY_NET = 24;
/**
 * and not before this many times the age by which this share of the tasks had settled; the sooner of the two. Some ages are
 * not the tasks' own: a delivery waited for a process that stood still, or for a Gateway that was away.
 */
const SURELY_SETTLED = [
  { share: 0.99, times: 1.5 },
  { share: 0.9, times: 4 },
];
const PLAN_AGAIN_MS = 5_000;
/** A task that wakes is polled if it is nearly as old as the plan's first poll is now, else it sleeps on. */
const NEARLY_DUE_SHARE = 0.9;
/** With this share of the in-flight window used, submissions wait for results: then results are wanted. */
const TIGHT_WINDOW_SHARE = 0.8;
/** The most that a poll may stretch the end of a run: the longer of the two. */
const STRETCH_MS = 30_000;
const STRETCH_SHARE = 0.1;

/** The pipeline's data of a task that is polled. */
export interface PolledTask {
  /** Its age (ms) when a poll last found it in progress, 0 at first; absent where it is not learned from. */
  seen?: number;
}

/** When a run's tasks are polled, in this process. */
export interface Polls {
  /**
   * Whether to learn from the task of this line (from 1), which is to have `seen` then. Decided once: of tasks that were
   * taken in later, only those still in progress would be counted.
   */
  isSampled(line: number): boolean;
  /** Until the (next) poll of a task of this age, ms; never past its `--result-timeout`. */
  nextPollDelayMs(ageMs: number): number;
  /** How long a woken task sleeps on unpolled (ms), if the plan has become a later one; else null. */
  extraSleepMs(ageMs: number): number | null;
  /** The same for a task that will get a webhook delivery. */
  webhookFallbackDelayMs(ageMs: number): number;
  /** Whether a task of this age that still awaits its delivery is polled now: nearly all others had settled by then. */
  isOverdue(ageMs: number): boolean;
  observeSettled(task: PolledTask, result: SettledResult, ageMs: number): void;
  /** Records a poll that found the task in progress; true when the task must keep this age as `seen`. */
  observePending(task: PolledTask, ageMs: number): boolean;
  /** Once a second. If the plan is old, it shares what was learned here, takes others' results, and plans again. */
  look(reading: RunReading): Promise<void>;
  /** Shares what was learned here last: forecasts of other runs are made of it. */
  end(): Promise<void>;
}

export interface PollsParts {
  policy: RunPolicy;
  /** Adds to what all processes have seen, `settled` results among it; resolves to all of it. */
  shareSettleTimes(sightings: SettleObservations, settled: number): Promise<SettleObservations>;
  /** Wakes tasks that sleep longer than tasks of their age now do. Called when nothing is left to submit. */
  advancePolls(times: Pick<Polls, 'nextPollDelayMs' | 'webhookFallbackDelayMs' | 'isOverdue'>): Promise<void>;
  /** Most calls of this process in flight. */
  concurrency: number;
  /** Epoch ms. Default: the system's clock. */
  now?: () => number;
}

export function createPolls({
  shareSettleTimes: learn,
  advancePolls: bringForward,
  concurrency,
  now = Date.now,
  ...parts
}: PollsParts): Polls {
  let { policy } = parts;
  let fresh: SettleObservations = new Map();
  let plan: PollPlan | null = null;
  let settledMs = 0;
  let gaps: Gaps = gapsOf(policy);
  let planned: { price: Price; at: number } | null = null;
  let submitted = false;
  let sampleEvery = 1;
  let endSeen = false;

  const isSpare = () => planned?.price === 'spare' && submitted;
  const inTime = (gap: number, ageMs: number) => Math.min(gap, Math.max(1, policy.resultTimeoutMs - ageMs));

  function gapAt(ageMs: number): number {
    if (policy.poll === 'auto' && plan !== null) return gapMs(plan, ageMs, gaps);
    const gap = nextPollMs(ageMs, { delayMs: policy.pollDelayMs, maxDelayMs: policy.pollMaxDelayMs });
    return Math.min(gap, gaps.greatestMs);
  }

  /** Redis' clock may have been set back since the task was submitted: it is not waited for to get there again. */
  const nextMs = (ageMs: number) => inTime(gapAt(Math.max(0, ageMs)), Math.max(0, ageMs));

  /** Shares what this process saw. */
  async function share(): Promise<SettleObservations> {
    const batch = fresh;
    fresh = new Map();
    return learn(batch, settledIn(batch));
  }

  function replan(sightings: SettleObservations, price: Price, room: InFlightWindow): void {
    if (settledIn(sightings) < MIN_RESULTS_TO_PLAN) return;
    const seen = settleTimes(sightings);
    // Polls beyond what is known find it out, for the tasks behind them. The last ones have none behind them.
    if (submitted) gaps.unknownFromMs = seen.seenToMs;
    settledMs = Math.min(...SURELY_SETTLED.map(({ share, times }) => quantile(seen, share) * times));
    planned = { price, at: now() };
    plan = choosePlan(seen, price, gaps, room);
  }

  const polls: Polls = {
    isSampled: (line) => policy.poll === 'auto' && (line <= FIRST_LINES || line % sampleEvery === 0),
    nextPollDelayMs: nextMs,
    extraSleepMs(ageMs) {
      if (policy.poll === 'fixed' || plan === null || submitted || ageMs < 0) return null;
      return ageMs < Math.min(plan.firstMs * NEARLY_DUE_SHARE, policy.resultTimeoutMs) ? nextMs(ageMs) : null;
    },
    isOverdue: (ageMs) => isSpare() && settledMs > 0 && ageMs >= settledMs,
    webhookFallbackDelayMs(age) {
      const ageMs = Math.max(0, age);
      // Nothing else wants the calls: a delivery that should have come by now is not waited for any longer.
      if (isSpare() && settledMs > 0)
        return inTime(ageMs < settledMs ? settledMs - ageMs : gapAt(ageMs), ageMs);
      const rare = {
        delayMs: policy.pollDelayMs * SAFETY_NET,
        maxDelayMs: policy.pollMaxDelayMs * SAFETY_NET,
      };
      return inTime(Math.max(nextPollMs(ageMs, rare), settledMs - ageMs), ageMs);
    },
    observeSettled(task, result, ageMs) {
      if (policy.poll === 'fixed' || task.seen === undefined || ageMs < task.seen) return;
      countSettled(fresh, task.seen, settleTimeMs(result, task.seen, ageMs));
    },
    observePending(task, ageMs) {
      if (policy.poll === 'fixed' || task.seen === undefined || ageMs < task.seen) return false;
      countPending(fresh, task.seen, ageMs);
      return true;
    },
    async look(reading) {
      ({ policy } = reading.record);
      if (policy.poll === 'fixed') return;
      const { status, record, present } = reading;
      submitted = status.produced && status.queued === 0;
      const { unknownFromMs } = gaps;
      gaps = gapsOf(policy, submitted ? stretchMs(now() - Date.parse(record.startedAt)) : undefined);
      if (submitted && unknownFromMs !== undefined) gaps.unknownFromMs = unknownFromMs;
      const price = priceOf(reading, concurrency);
      const current = planned?.price === price && now() - planned.at < PLAN_AGAIN_MS;
      sampleEvery = Math.min(Math.max(1, Math.ceil(present.callsPerSecond / CALLS_PER_SECOND)), ONE_IN);
      const room = { tasks: TIGHT_WINDOW_SHARE * policy.maxInFlight, callsPerSecond: present.callsPerSecond };
      if (!current) replan(await share(), price, room);
      // Again with each plan: a task that was in hand the last time has gone back to sleep since.
      const ends = price === 'spare' && submitted;
      if (ends && !(current && endSeen)) await bringForward(polls);
      endSeen = ends;
    },
    async end() {
      if (fresh.size > 0) await share();
    },
  };
  return polls;
}

const gapsOf = (policy: RunPolicy, mostMs = Number.POSITIVE_INFINITY): Gaps => ({
  leastMs: policy.pollDelayMs,
  greatestMs: Math.max(policy.pollDelayMs, Math.min(policy.pollMaxDelayMs, mostMs)),
});

/** Once everything has been submitted, the last poll decides when the run ends. */
const stretchMs = (elapsedMs: number) => Math.max(STRETCH_MS, STRETCH_SHARE * elapsedMs);

/** A poll displaces a call where more calls wait than are being made: a submission that has room, or another poll. */
function priceOf({ status, record, tasksDue }: RunReading, concurrency: number): Price {
  const tight = status.in_flight > TIGHT_WINDOW_SHARE * record.policy.maxInFlight;
  const waits = (status.queued > concurrency && !tight) || tasksDue > concurrency;
  return waits ? 'scarce' : 'spare';
}
