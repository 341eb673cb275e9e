import type { SettledResult } from '../gateway/types.js';
import type { RunReading } from '../runs/read-status.js';
import type { RunPolicy } from '../runs/record.js';
import { nextPollMs } from './documented.js';
import { choosePlan, type Gaps, gapMs, type PollPlan, type Price } from './plan.js';
import { binOf, quantile, type SettleTimes, settleTimeMs, settleTimes } from './settle-times.js';

/** So many results, and the run's own settle times outrank the documentation's advice. */
const ENOUGH = 100;
/** A task that a webhook delivery tells of is polled only in case the delivery was lost: so much more rarely, */
const SAFETY_NET = 24;
/** and not before so many times the age by which 99 of 100 tasks had settled. */
const SURELY_SETTLED = 1.5;
const PLAN_AGAIN_MS = 5_000;
/** With so much of the in-flight window taken, submissions wait for results: then they are what is wanted. */
const TIGHT = 0.8;
/** What the end of a run may be stretched by: the longer of the two. */
const STRETCH_MS = 30_000;
const STRETCH_SHARE = 0.1;

/** When a run's tasks are polled, in this process. */
export interface Polls {
  /** Until the (next) poll of a task of this age, ms. */
  nextMs(ageMs: number): number;
  /** The same for a task that a webhook delivery will tell of. */
  safetyMs(ageMs: number): number;
  settled(result: SettledResult, ageMs: number): void;
  /** Shares what this process learned with the others, takes theirs, and plans anew; once a second. */
  look(reading: RunReading): Promise<void>;
}

export interface PollsParts {
  policy: RunPolicy;
  /** Adds settle times, by bin, to those that all processes have seen; resolves to all of them. */
  learn(counts: ReadonlyMap<number, number>): Promise<ReadonlyMap<number, number>>;
  /** Most calls of this process in flight. */
  concurrency: number;
  /** Epoch ms. Default: the system's clock. */
  now?: () => number;
}

export function createPolls({ learn, concurrency, now = Date.now, ...parts }: PollsParts): Polls {
  let { policy } = parts;
  let pending = new Map<number, number>();
  let plan: PollPlan | null = null;
  let settledMs = 0;
  let gaps = gapsOf(policy, Number.POSITIVE_INFINITY);
  let planned: { price: Price; at: number } | null = null;

  function replan(seen: SettleTimes, reading: RunReading): void {
    if (seen.total < ENOUGH) return;
    settledMs = quantile(seen, 0.99) * SURELY_SETTLED;
    const price = priceOf(reading, concurrency);
    if (planned !== null && planned.price === price && now() - planned.at < PLAN_AGAIN_MS) return;
    planned = { price, at: now() };
    plan = choosePlan(seen, price, gaps);
  }

  return {
    nextMs(ageMs) {
      if (policy.poll === 'fixed' || plan === null)
        return nextPollMs(ageMs, { delayMs: policy.pollDelayMs, maxDelayMs: policy.pollMaxDelayMs });
      return gapMs(plan, ageMs, gaps);
    },
    safetyMs(ageMs) {
      const rare = {
        delayMs: policy.pollDelayMs * SAFETY_NET,
        maxDelayMs: policy.pollMaxDelayMs * SAFETY_NET,
      };
      return Math.max(nextPollMs(ageMs, rare), settledMs - ageMs);
    },
    settled(result, ageMs) {
      if (policy.poll === 'fixed') return;
      const bin = binOf(settleTimeMs(result, ageMs));
      pending.set(bin, (pending.get(bin) ?? 0) + 1);
    },
    async look(reading) {
      ({ policy } = reading.record);
      if (policy.poll === 'fixed') return;
      gaps = gapsOf(policy, stretchMs(reading, now()));
      const batch = pending;
      pending = new Map();
      replan(settleTimes(await learn(batch)), reading);
    },
  };
}

const gapsOf = (policy: RunPolicy, mostMs: number): Gaps => ({
  leastMs: policy.pollDelayMs,
  greatestMs: Math.max(policy.pollDelayMs, Math.min(policy.pollMaxDelayMs, mostMs)),
});

/** Once everything has been submitted, the last poll decides when the run ends. */
function stretchMs({ status, record }: RunReading, now: number): number {
  if (!status.produced || status.queued > 0) return Number.POSITIVE_INFINITY;
  return Math.max(STRETCH_MS, STRETCH_SHARE * (now - Date.parse(record.startedAt)));
}

/** A poll displaces a submission only where more of them wait than are being made, for nothing but calls. */
function priceOf({ status, record }: RunReading, concurrency: number): Price {
  const waits = status.queued > concurrency;
  const tight = status.in_flight > TIGHT * record.policy.maxInFlight;
  return waits && !tight ? 'scarce' : 'spare';
}
