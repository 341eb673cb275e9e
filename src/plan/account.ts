import type { Budget } from '../budget/index.js';
import type { ASGGatewayClient } from '../gateway/client.js';
import type { CallOptions, GatewayCall } from '../gateway/types.js';
import type { Price } from './price.js';

export interface Account {
  quotaLeft: number | null;
  /** The price in this month, or in the last one when this month has no label yet. */
  price: Price | null;
  /** Why something is not known. */
  trouble: string | null;
}

/** Time limit for all questions to the Gateway, waits for slots included, ms. */
const ASKED_FOR_MS = 15_000;

/** Asks the Gateway what it knows of the key. Two calls or three, each with a slot of the key's budget; nothing is bought. */
export async function askAccount(
  client: Pick<ASGGatewayClient, 'getCustomer' | 'getUsage'>,
  budget: Budget,
  signal: AbortSignal,
): Promise<Account> {
  const account: Account = { quotaLeft: null, price: null, trouble: null };
  const until = AbortSignal.any([signal, AbortSignal.timeout(ASKED_FOR_MS)]);
  const ask = <T>(call: (options: CallOptions) => Promise<T>) => withSlot(budget, until, call);
  try {
    account.quotaLeft = (await ask((options) => client.getCustomer(options))).label_quota;
    for (const month of [{}, { month: monthBefore(new Date()) }]) {
      const { tasks_settled: labels, total_cost_sats: sats } = await ask((options) =>
        client.getUsage(month, options),
      );
      if (labels === 0) continue;
      account.price = { value: sats / labels, source: 'usage', labels, spread: 0 };
      break;
    }
  } catch (error) {
    signal.throwIfAborted();
    account.trouble = error instanceof Error ? error.message : String(error);
  }
  return account;
}

export async function withSlot<T>(
  budget: Budget,
  signal: AbortSignal,
  call: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const slot = await budget.acquire('poll', { signal });
  try {
    return await call({ signal, onCall: (made: GatewayCall) => slot.report(made) });
  } finally {
    slot.release();
  }
}

function monthBefore(now: Date): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().slice(0, 7);
}
