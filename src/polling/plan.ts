import { quantile, type SettleTimes } from './settle-times.js';

/** When a task is polled: first at this age, then each time it has grown by this factor. ms. */
export interface PollPlan {
  firstMs: number;
  factor: number;
}

/** The least and the greatest gap, ms; the first one may be longer. */
export interface Gaps {
  leastMs: number;
  greatestMs: number;
}

export interface PlanCost {
  pollsPerLabel: number;
  /** Mean time from settled to collected, ms. */
  latenessMs: number;
  /** Median of the same, each as a share of its task's settle time. */
  medianShare: number;
}

/**
 * What a poll is worth. `scarce`: it takes the place of a submission, so there should be few. `spare`: nothing else
 * wants its place, so results should be collected soon.
 */
export type Price = 'scarce' | 'spare';

const QUANTILES = [
  0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9,
  0.93, 0.96, 0.98,
];
const FACTORS = [1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.6, 1.7, 1.8, 2, 2.5, 3];
const SCARCE_POLLS = 1.22;
const SPARE_SHARE = 0.24;
const SPARE_POLLS = 2.7;

/** Until the next poll of a task of this age (ms). Follows from the age alone: no job remembers its polls. */
export function gapMs({ firstMs, factor }: PollPlan, ageMs: number, { leastMs, greatestMs }: Gaps): number {
  if (ageMs < firstMs) return Math.max(firstMs - ageMs, leastMs);
  return Math.min(Math.max(ageMs * (factor - 1), leastMs), greatestMs);
}

/** What a plan costs for tasks that settle like this. */
export function costOf(plan: PollPlan, { times, total }: SettleTimes, gaps: Gaps): PlanCost {
  const shares: { share: number; count: number }[] = [];
  let [polls, lateness, sent, at] = [0, 0, 1, gapMs(plan, 0, gaps)];
  for (const { ms, count } of times) {
    while (at < ms) {
      at += gapMs(plan, at, gaps);
      sent += 1;
    }
    polls += sent * count;
    lateness += (at - ms) * count;
    shares.push({ share: (at - ms) / ms, count });
  }
  return { pollsPerLabel: polls / total, latenessMs: lateness / total, medianShare: median(shares, total) };
}

function median(shares: { share: number; count: number }[], total: number): number {
  let seen = 0;
  for (const { share, count } of shares.sort((a, b) => a.share - b.share)) {
    seen += count;
    if (seen * 2 >= total) return share;
  }
  return 0;
}

/** The best plan of this family for these settle times, at this price. */
export function choosePlan(seen: SettleTimes, price: Price, gaps: Gaps): PollPlan {
  const plans = QUANTILES.flatMap((share) => {
    // Just behind the quantile: a poll that comes as its tasks settle finds half of them unsettled. Never later than
    // tasks have been watched: what is only supposed does not put a first poll off.
    const firstMs = Math.min(quantile(seen, share), seen.seenToMs) * 1.05;
    return FACTORS.map((factor) => ({ firstMs, factor }));
  });
  const costed = plans.map((plan) => ({ plan, ...costOf(plan, seen, gaps) }));
  const [affordable, worth] =
    price === 'scarce'
      ? ([
          ({ pollsPerLabel }) => pollsPerLabel <= SCARCE_POLLS,
          ({ latenessMs }) => latenessMs,
        ] as const satisfies Rule)
      : ([
          ({ medianShare }) => medianShare <= SPARE_SHARE,
          ({ pollsPerLabel }) => pollsPerLabel,
        ] as const satisfies Rule);
  const good = costed.filter((each) => affordable(each));
  if (good.length > 0) return least(good, worth).plan;
  if (price === 'scarce') return least(costed, ({ pollsPerLabel }) => pollsPerLabel).plan;
  const few = costed.filter(({ pollsPerLabel }) => pollsPerLabel <= SPARE_POLLS);
  return least(
    few.length > 0 ? few : costed,
    ({ medianShare, pollsPerLabel }) => medianShare + pollsPerLabel / 100,
  ).plan;
}

type Rule = readonly [(cost: PlanCost) => boolean, (cost: PlanCost) => number];

function least<T>(items: T[], worth: (item: T) => number): T {
  return items.reduce((best, item) => (worth(item) < worth(best) ? item : best));
}
