import { type BudgetSnapshot, createBudget } from '../budget/index.js';
import type { RedisClient } from '../redis/connection.js';
import { budgetKey } from './keys.js';
import type { RunRecord } from './record.js';

/** Gateway calls per second now allowed to a run's key; null when no limit is in force. */
export const allowedRate = async (...of: Parameters<typeof budgetOf>): Promise<number | null> =>
  (await budgetOf(...of)).rate;

/** The budget of a run's key as it stands: looked at, not joined. */
export async function budgetOf(
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
