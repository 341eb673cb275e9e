import { quotaLeft, type SandboxContext } from './context.js';
import type { Store } from './store.js';

/** The events since the start; tasks, keys and quota also from the journal. */
export interface SandboxStats {
  /** Tasks created. */
  tasks: number;
  /** Idempotency keys seen, each counted once for each customer. */
  idempotency_keys: number;
  /** Tasks charged under a key that another task had already. */
  duplicate_charges: number;
  /** By customer id. */
  quota_left: Record<string, number>;
  /** Calls by operation, then status; `reset` where the connection was cut. */
  calls: Record<string, Record<string, number>>;
  /** Answers 429. */
  rate_limited: number;
  /** Most calls of all keys that were let through within one second of the clock. */
  peak_per_second: number;
  /** Attempts to deliver a webhook; an address that is not allowed is one that failed. */
  deliveries: { delivered: number; failed: number };
}

export interface Counters {
  call(operation: string, status: number | 'reset'): void;
  /** A call that the limit allowed. */
  letThrough(): void;
  stats(world: Pick<SandboxContext, 'options' | 'store' | 'deliveries'>): SandboxStats;
}

export function createCounters(): Counters {
  const calls: SandboxStats['calls'] = {};
  let [second, inSecond, peak] = [0, 0, 0];
  return {
    call(operation, status) {
      calls[operation] ??= {};
      const statuses = calls[operation];
      statuses[status] = (statuses[status] ?? 0) + 1;
    },
    letThrough() {
      const now = Math.floor(Date.now() / 1000);
      if (now !== second) [second, inSecond] = [now, 0];
      inSecond += 1;
      if (inSecond > peak) peak = inSecond;
    },
    stats: ({ options, store, deliveries }) => ({
      tasks: store.tasks.length,
      ...keysOf(store),
      quota_left: Object.fromEntries(
        store.customers.map((customer) => [customer.id, quotaLeft({ options }, customer)]),
      ),
      calls: structuredClone(calls),
      rate_limited: Object.values(calls).reduce((sum, statuses) => sum + (statuses[429] ?? 0), 0),
      peak_per_second: peak,
      deliveries: { ...deliveries.attempts },
    }),
  };
}

/** Counted from the tasks themselves, not from the maps that answer for idempotency. */
function keysOf({ tasks, customers }: Store) {
  const seen = customers.map(() => new Set<string>());
  let [distinct, duplicates] = [0, 0];
  for (const { key, customer } of tasks) {
    const keys = seen[customer.index];
    if (key === null || keys === undefined) continue;
    if (keys.has(key)) duplicates += 1;
    else distinct += 1;
    keys.add(key);
  }
  return { idempotency_keys: distinct, duplicate_charges: duplicates };
}
