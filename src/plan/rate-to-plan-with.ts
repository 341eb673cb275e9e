import { type BudgetSnapshot, foundRate } from '../budget/index.js';

/** What a forecast takes from the budget. */
export type PlannedRate = Pick<BudgetSnapshot, 'rate' | 'sustained' | 'source' | 'mode'>;

/**
 * Calls per second that a run can count on. A search that has met no limit yet knows none (null), and one that has may be
 * trying a higher rate, or using up a bucket's store.
 */
export function rateToPlanWith(planned: PlannedRate): number | null {
  if (planned.source !== 'search') return planned.rate;
  const rate = foundRate(planned);
  return rate === null ? null : Math.min(rate, planned.sustained ?? rate);
}
