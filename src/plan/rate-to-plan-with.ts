import type { BudgetSnapshot } from '../budget/index.js';

/** What a forecast takes from the budget. */
export type PlannedRate = Pick<BudgetSnapshot, 'rate' | 'sustained' | 'source' | 'mode'>;

/**
 * Calls per second that a run can count on. A search that has met no limit yet knows none (null), and one that has may be
 * trying a higher rate, or using up a bucket's store.
 */
export function rateToPlanWith({ rate, sustained, source, mode }: PlannedRate): number | null {
  if (rate === null || source !== 'search') return rate;
  return mode === 'ramp' ? null : Math.min(rate, sustained ?? rate);
}
