import { formatCondition, higherThreshold, thresholdOr } from '../config/escalation-condition.js';
import type { Settings } from '../config/index.js';
import { plus, type Range, whole } from '../lib/range.js';
import type { Plan } from './plan.js';
import { costOfLabels, type Price } from './price.js';
import type { KnownShare } from './second-share.js';

/**
 * How many second tasks these first tasks lead to, and their cost; null without `--escalate`. A task costs the same for
 * each labeler that agrees.
 */
export function secondTasks(
  { escalate, consensusThreshold }: Pick<Settings, 'escalate' | 'consensusThreshold'>,
  known: KnownShare | null,
  first: Range,
  price: Price | null,
): Plan['second_tasks'] {
  if (escalate === null) return null;
  const condition = formatCondition(escalate);
  const asked = thresholdOr(consensusThreshold);
  const secondThreshold = higherThreshold(asked);
  if (secondThreshold === null)
    return { condition, share: null, source: 'highest', tasks: NONE, cost_sats: NONE };
  if (known === null) return { condition, share: null, source: null, tasks: null, cost_sats: null };
  const { share, source } = known;
  const tasks = secondOf(first, share);
  const estimatedPrice = price && { ...price, value: (price.value * secondThreshold) / asked };
  const second = known.price ?? estimatedPrice;
  return {
    condition,
    share: { expected: round(share.expected), low: round(share.low), high: round(share.high) },
    source,
    tasks: whole(tasks),
    cost_sats: second === null ? null : whole(costOfLabels(second, tasks)),
  };
}

export const secondOf = (first: Range, share: Range): Range => ({
  expected: first.expected * share.expected,
  low: first.low * share.low,
  high: first.high * share.high,
});

/** The cost of first tasks, plus the second ones when their number is known. */
export const costOfTasks = (price: Price, first: Range, second: Plan['second_tasks']): Range =>
  plus(costOfLabels(price, first), second?.cost_sats ?? NONE);

const NONE: Range = { expected: 0, low: 0, high: 0 };
const round = (value: number) => Number(value.toFixed(4));
