import type { RunPolicy } from './record.js';

const DAY_MS = 86_400_000;
const DEFAULT_LABELERS = 3;
/** Failure codes of tasks that may have to be paid. `labels-left.lua` lists them too. */
const MAY_COST = ['result_timeout', 'retries_exhausted', 'task_not_found', 'key_conflict'];

/** The field of the counts that holds what was paid on a day. */
export const costDayField = (ms: number): string => `cost_day:${Math.floor(ms / DAY_MS)}`;

/** Midnight, UTC. */
export const nextDay = (ms: number): number => (Math.floor(ms / DAY_MS) + 1) * DAY_MS;

/** A run's figures against `--spend` and `--spend-per-day`. The rule itself is in `labels-left.lua`. */
export interface Envelope {
  /** Sats of labels that have been paid for; today (UTC). */
  paid: number;
  paidToday: number;
  /** Tasks in flight or being bought, without the second tasks of lines that are asked again. */
  out: number;
  /** Second tasks of lines that are asked again, in flight or being bought. */
  again: number;
  /** Sats that these may cost, and those that failed and may be paid for. */
  reserved: number;
  /** Sats that one more label may cost at most; null: unknown yet. */
  price: number | null;
  /** No further label fits in, and no task in flight may make room. `never`: not on any day. */
  spent: 'run' | 'day' | 'never' | null;
}

export function envelopeOf(
  counts: Readonly<Record<string, string>>,
  failures: Readonly<Record<string, string>>,
  policy: Pick<RunPolicy, 'spend' | 'spendPerDay' | 'priceSats' | 'escalates'>,
  nowMs: number,
): Envelope {
  const n = (field: string) => Number(counts[field] ?? 0);
  const [paid, paidToday] = [n('cost_sats'), n(costDayField(nowMs))];
  const out = Math.max(0, n('in_flight') - Math.max(0, n('shared')));
  const again = Math.max(0, n('escalating'));
  const lost = MAY_COST.reduce(
    (sum, code) => sum + Number(failures[code] ?? 0),
    n('unpriced') + n('bought_again'),
  );
  const own = n('labeler_sats') * Math.max(DEFAULT_LABELERS, n('labelers'));
  const price = own > 0 ? own : (policy.priceSats ?? null);
  const { spend = null, spendPerDay = null } = policy;
  // A line that may be asked again is bought only where there is room for both tasks.
  const least = price === null ? 1 : price * (policy.escalates ? 2 : 1);
  const lostSats = lost * (price ?? 0);
  return {
    paid,
    paidToday,
    out,
    again,
    reserved: (out + again) * (price ?? 0) + lostSats,
    price,
    // Tasks in flight may cost less than is reserved for them. While there are any, there may be room again.
    spent: out > 0 ? null : spentOf(),
  };

  function spentOf(): Envelope['spent'] {
    if (spend !== null && paid + lostSats + least > spend) return 'run';
    if (spendPerDay === null) return null;
    if (least > spendPerDay) return 'never';
    return paidToday + least > spendPerDay ? 'day' : null;
  }
}
