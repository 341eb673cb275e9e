import { createBudget } from '../budget/index.js';
import type { RedisClient } from '../redis/connection.js';
import { budgetKey } from './keys.js';
import type { RunRecord } from './record.js';

/** Gateway calls per second now allowed to a run's key; null when no limit is in force. */
export async function allowedRate(
  redis: RedisClient,
  prefix: string,
  { keyFingerprint, gateway }: Pick<RunRecord, 'keyFingerprint' | 'gateway'>,
): Promise<number | null> {
  const budget = createBudget({ redis, key: budgetKey(prefix, keyFingerprint, gateway) });
  try {
    return (await budget.snapshot()).rate;
  } finally {
    await budget.close();
  }
}
