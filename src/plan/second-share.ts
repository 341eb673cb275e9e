import { type Condition, parseCondition } from '../config/escalation-condition.js';
import { type Range, shareOf } from '../lib/range.js';
import type { RedisClient } from '../redis/connection.js';
import { runKeys } from '../runs/keys.js';
import type { RunReading } from '../runs/read-status.js';
import { boughtLines } from '../runs/status.js';
import { CONFIDENCE_STEPS, historyOf } from '../runs/timeline.js';
import { MIN_LINES } from './min-lines.js';
import type { Price } from './price.js';

/** 0.55 × 20 is not 11 to the last digit. */
const ROUNDING = 1e-9;

/** The share of the settled lines that `--escalate` asks again. */
export interface KnownShare {
  share: Range;
  /** `runs` that asked again by the same condition, or the `confidences` that runs without one have recorded. */
  source: 'runs' | 'confidences';
  /** The price of a second task, if some were paid for. */
  price: Price | null;
}

/** Null when no run shows the share. */
export async function knownShare(
  redis: RedisClient,
  prefix: string,
  runs: readonly RunReading[],
  escalate: string | undefined,
): Promise<KnownShare | null> {
  const condition = parseCondition(escalate ?? '');
  if (condition === undefined) return null;
  const same = runs.filter(({ record }) => record.task.escalate === escalate);
  const settled = same.reduce((sum, { status }) => sum + boughtLines(status), 0);
  if (settled >= MIN_LINES) {
    const again = sumOf(same, 'lines');
    const [answered, sats] = [again - sumOf(same, 'failed'), sumOf(same, 'cost_sats')];
    const price =
      answered > 0 && sats > 0
        ? { value: sats / answered, source: 'history' as const, labels: answered, spread: 0 }
        : null;
    return { share: shareOf(again, settled), source: 'runs', price };
  }
  if (condition.field !== 'confidence') return null;
  const others = runs.filter(({ record }) => record.task.escalate === undefined);
  const seen = await confidencesOf(redis, prefix, others);
  const total = seen.reduce((sum, n) => sum + n, 0);
  if (total < MIN_LINES) return null;
  const { low, high } = linesMeeting(seen, condition);
  const middle = shareOf((low + high) / 2, total);
  return {
    share: { ...middle, low: shareOf(low, total).low, high: shareOf(high, total).high },
    source: 'confidences',
    price: null,
  };
}

const sumOf = (runs: readonly RunReading[], field: 'lines' | 'failed' | 'cost_sats'): number =>
  runs.reduce((sum, { status }) => sum + (status.escalated?.[field] ?? 0), 0);

/**
 * How many lines settled with a confidence in each step. The last entry: lines without a confidence, which meet no
 * condition.
 */
async function confidencesOf(redis: RedisClient, prefix: string, runs: readonly RunReading[]) {
  const sum = Array.from({ length: CONFIDENCE_STEPS + 1 }, () => 0);
  for (const { record } of runs) {
    const { confidences, withoutConfidence } = historyOf(
      await redis.hgetall(runKeys(prefix, record.id).history),
    );
    for (const [step, n] of [...confidences, withoutConfidence].entries()) sum[step] = (sum[step] ?? 0) + n;
  }
  return sum;
}

/**
 * The least and the most lines that meet the condition. Of the step that holds the condition's number, all or none may
 * meet it.
 */
function linesMeeting(
  seen: readonly number[],
  { operator, value }: Condition,
): { low: number; high: number } {
  const place = value * CONFIDENCE_STEPS + ROUNDING;
  const at = Math.min(CONFIDENCE_STEPS - 1, Math.floor(place));
  const onBound = place - at < 2 * ROUNDING;
  const sum = (from: number, to: number) => seen.slice(from, to).reduce((all, n) => all + n, 0);
  const [below, here, above] = [sum(0, at), seen[at] ?? 0, sum(at + 1, CONFIDENCE_STEPS)];
  switch (operator) {
    case '<':
      return { low: below, high: below + (onBound ? 0 : here) };
    case '<=':
      return { low: below, high: below + here };
    case '>=':
      return { low: above + (onBound ? here : 0), high: above + here };
    case '>':
      return { low: above, high: above + here };
    case '=':
      return { low: 0, high: here };
  }
}
