import type { Logger } from 'pino';
import type { RedisClient } from '../redis/connection.js';
import { subscribe } from '../redis/subscribe.js';
import type { BudgetNews } from './ask.js';
import { createBudgetOf } from './budget.js';
import { systemClock } from './clock.js';
import { budgetScript, newsChannel } from './script.js';
import type { Budget, Quota } from './types.js';

export { foundRate } from './found-rate.js';
export {
  type AcquireOptions,
  type Budget,
  BudgetPausedError,
  type BudgetSnapshot,
  type CallKind,
  type Pause,
  type Quota,
  type Slot,
} from './types.js';

export interface BudgetOptions {
  /** Used for the script; news come over a connection of their own. Left open by `close()`. */
  redis: RedisClient;
  /** One per API key and Gateway, e.g. `asg:budget:{fingerprint@origin}`. */
  key: string;
  /** Calls per second, when the limit is known (`--rate`). Default: found out. */
  rate?: number | undefined;
  /** Windows longer than a minute (`--rate 10/s,20000/d`). */
  quotas?: readonly Quota[] | undefined;
  /** How long `acquire` holds a caller through a pause, ms. Default 2000. */
  maxHoldMs?: number | undefined;
  log?: Logger | undefined;
}

/** The calls that all processes together may make with one key, paced, shared fairly, and stopped by a 429. */
export function createBudget({ redis, key, ...rest }: BudgetOptions): Budget {
  return createBudgetOf({
    ...rest,
    run: budgetScript(redis, key),
    subscribe: subscribeTo(redis, key),
    clock: systemClock,
  });
}

/** News that are lost with a connection are brought by the next ask. */
const subscribeTo = (redis: RedisClient, key: string) => async (listener: (news: BudgetNews) => void) => {
  const end = await subscribe(redis, newsChannel(key), (message) =>
    listener(JSON.parse(message) as BudgetNews),
  );
  return async () => end();
};
