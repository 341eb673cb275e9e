import { type BudgetSnapshot, createBudget } from '../budget/index.js';
import type { RedisClient } from '../redis/connection.js';
import { budgetKey } from './keys.js';
import type { RunRecord } from './record.js';

/** How the budget of a run's key stands; nothing is asked of it. */
export async function readBudget(
  redis: RedisClient,
  prefix: string,
  { keyFingerprint, gateway }: Pick<RunRecord, 'keyFingerprint' | 'gateway'>,
): Promise<BudgetSnapshot> {
  const budget = createBudget({ redis, key: budgetKey(prefix, keyFingerprint, gateway) });
  try {
    return await budget.snapshot();
  } finally {
    await budget.close();
  }
}
