import type { BudgetSnapshot } from './types.js';

/**
 * Calls per second that the key may make; null while no limit is in force or known. A ramp passes through its rates
 * within seconds: none of them is the key's.
 */
export const foundRate = ({ rate, mode }: Pick<BudgetSnapshot, 'rate' | 'mode'>): number | null =>
  mode === 'ramp' ? null : rate;
