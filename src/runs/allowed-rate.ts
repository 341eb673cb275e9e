import { type BudgetSnapshot, createBudget } from '../budget/index.js';
import type { RedisClient } from '../redis/connection.js';
import { budgetKey } from './keys.js';
import type { RunRecord } from './record.js';

/** The state of the budget of a run's key; this takes no slot. */
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
