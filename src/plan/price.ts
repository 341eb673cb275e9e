import { type Range, within } from '../lib/range.js';

export interface Price {
  /** Sats per label. */
  value: number;
  source: 'history' | 'usage' | 'flag';
  /** The number of labels that the price comes from; 0 for a price that the user gave. */
  labels: number;
  /** How much the means of single runs differ from the price, as a share; 0 for fewer than two runs. */
  spread: number;
  /** Standard deviation of the price of single labels, as a share of the price, if it was observed. */
  differ?: number;
}

/** A run that has settled lines: what it paid for them. */
export interface PaidRun {
  settled: number;
  costSats: number;
  polls: number;
}

/** A task's price depends on how many labelers agreed: by this share of the mean, or less, prices differ (65% of two and three of three do by 20%). */
const PRICES_DIFFER = 0.5;

/**
 * The mean price of a label in past runs. A run that settled from webhook deliveries alone has no prices, and does
 * not count. Null when no run has any.
 */
export function priceOf(runs: readonly PaidRun[]): Price | null {
  const pricedRuns = runs.filter(
    ({ settled, costSats, polls }) => settled > 0 && costSats > 0 && polls >= settled,
  );
  const settled = pricedRuns.reduce((sum, run) => sum + run.settled, 0);
  if (settled === 0) return null;
  const value = pricedRuns.reduce((sum, run) => sum + run.costSats, 0) / settled;
  const squares = pricedRuns.reduce(
    (sum, run) => sum + run.settled * (run.costSats / run.settled / value - 1) ** 2,
    0,
  );
  return {
    value,
    source: 'history',
    labels: settled,
    spread: pricedRuns.length > 1 ? Math.sqrt(squares / settled) : 0,
  };
}

/**
 * The cost of `labels` more labels. Its range holds the error of the mean and the random differences between labels.
 */
export function costOfLabels(price: Price, labels: Range): Range {
  if (labels.high === 0) return { expected: 0, low: 0, high: 0 };
  const differ = price.source === 'flag' ? 0 : (price.differ ?? PRICES_DIFFER);
  const known = differ ** 2 / Math.max(1, price.labels);
  const chance = differ ** 2 / Math.max(1, labels.expected);
  const share = 2 * Math.sqrt(known + chance + price.spread ** 2);
  const mean = within(price.value, price.value * share);
  return {
    expected: price.value * labels.expected,
    low: mean.low * labels.low,
    high: mean.high * labels.high,
  };
}
