import { quantile, type SettleTimes } from '../../runs/settle-times.js';

/** When a task is polled: first at this age, then each time it has grown by this factor. ms. */
export interface PollPlan {
  firstMs: number;
  factor: number;
}

export interface Gaps {
  /** The least and the greatest gap, ms; the first one may be longer. */
  leastMs: number;
  greatestMs: number;
  /** From this age on gaps are the documented ones. Default: at no age. */
  unknownFromMs?: number;
}

/** The most tasks in flight, in a run that makes this many calls per second. */
export interface InFlightWindow {
  tasks: number;
  callsPerSecond: number;
}

export interface PlanCost {
  pollsPerLabel: number;
  /** Mean time from submitted to collected, ms. */
  inFlightMs: number;
  /** Mean time from settled to collected, ms. */
  latenessMs: number;
  /** Median of the same, each as a share of its task's settle time. */
  readonly medianShare: number;
}

/**
 * The price of a poll. `scarce`: it takes the place of a submission, so there should be few. `spare`: no other call
 * needs its place, so results should be collected soon.
 */
export type Price = 'scarce' | 'spare';

const QUANTILES = [
  0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9,
  0.93, 0.96, 0.98,
];
const FACTORS = [1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.6, 1.7, 1.8, 2, 2.5, 3];
const SCARCE_POLLS = 1.22;
const SPARE_SHARE = 0.24;
/** One in a hundred more than half: a plan whose median leans on the last few results would be late with others. */
const MEDIAN = 0.51;
const SPARE_POLLS = 2.7;

/** Until the next poll of a task of this age (ms). Follows from the age alone: no job remembers its polls. */
export function gapMs({ firstMs, factor }: PollPlan, ageMs: number, gaps: Gaps): number {
  const { leastMs, greatestMs, unknownFromMs = Number.POSITIVE_INFINITY } = gaps;
  if (ageMs < firstMs) return Math.max(firstMs - ageMs, leastMs);
  const gap = ageMs * factor < unknownFromMs ? ageMs * (factor - 1) : ageMs + leastMs;
  return Math.min(Math.max(gap, leastMs), greatestMs);
}

/** The cost of a plan for tasks that settle like this. */
export function costOf(plan: PollPlan, { times, total }: SettleTimes, gaps: Gaps): PlanCost {
  const shares: { share: number; count: number }[] = [];
  let [polls, inFlight, lateness, sent, at] = [0, 0, 0, 1, gapMs(plan, 0, gaps)];
  for (const { ms, count } of times) {
    while (at < ms) {
      at += gapMs(plan, at, gaps);
      sent += 1;
    }
    polls += sent * count;
    inFlight += at * count;
    lateness += (at - ms) * count;
    shares.push({ share: (at - ms) / ms, count });
  }
  return {
    pollsPerLabel: polls / total,
    inFlightMs: inFlight / total,
    latenessMs: lateness / total,
    // Most callers do without it, and it is most of the work.
    get medianShare() {
      return median(shares, total);
    },
  };
}

function median(shares: { share: number; count: number }[], total: number): number {
  let seen = 0;
  for (const { share, count } of shares.sort((a, b) => a.share - b.share)) {
    seen += count;
    if (seen >= total * MEDIAN) return share;
  }
  return 0;
}

/** The best plan of this family for these settle times, at this price. `room`: what a scarce one must not fill. */
export function choosePlan(seen: SettleTimes, price: Price, gaps: Gaps, room?: InFlightWindow): PollPlan {
  if (price === 'scarce') {
    // While a task grows as old as tasks have been watched, those are watched on: one documented gap more is no guess.
    const late = costed(seen, 2 * seen.seenToMs + gaps.leastMs, gaps);
    const fitting = room === undefined ? late : late.filter(({ cost }) => fits(cost, room));
    if (fitting.length > 0) return fewPolls(fitting);
  }
  return soon(costed(seen, seen.seenToMs, gaps));
}

interface CostedPlan {
  plan: PollPlan;
  cost: PlanCost;
}

function costed(seen: SettleTimes, latestMs: number, gaps: Gaps): CostedPlan[] {
  // Just behind the quantile: a poll that comes as its tasks settle finds half of them unsettled.
  const firsts = new Set(QUANTILES.map((share) => Math.min(quantile(seen, share), latestMs) * 1.05));
  return [...firsts].flatMap((firstMs) =>
    FACTORS.map((factor) => {
      const plan = { firstMs, factor };
      return { plan, cost: costOf(plan, seen, gaps) };
    }),
  );
}

/** Little's law: labels per second times the time in flight is the number in flight. */
const fits = ({ inFlightMs, pollsPerLabel }: PlanCost, { tasks, callsPerSecond }: InFlightWindow) =>
  (inFlightMs / 1000) * (callsPerSecond / (1 + pollsPerLabel)) <= tasks;

function fewPolls(plans: CostedPlan[]): PollPlan {
  const few = plans.filter(({ cost }) => cost.pollsPerLabel <= SCARCE_POLLS);
  if (few.length > 0) return least(few, ({ cost }) => cost.latenessMs).plan;
  return least(plans, ({ cost }) => cost.pollsPerLabel).plan;
}

function soon(plans: CostedPlan[]): PollPlan {
  const early = plans.filter(({ cost }) => cost.medianShare <= SPARE_SHARE);
  if (early.length > 0) return least(early, ({ cost }) => cost.pollsPerLabel).plan;
  const few = plans.filter(({ cost }) => cost.pollsPerLabel <= SPARE_POLLS);
  return least(few.length > 0 ? few : plans, ({ cost }) => cost.medianShare + cost.pollsPerLabel / 100).plan;
}

function least<T>(items: T[], worth: (item: T) => number): T {
  return items.reduce((best, item) => (worth(item) < worth(best) ? item : best));
}
