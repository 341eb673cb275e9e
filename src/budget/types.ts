import type { GatewayCall } from '../gateway/types.js';
import type { Answer } from './ask.js';

export type CallKind = 'submit' | 'poll';

/** Leave to make one Gateway call, now. Exactly one of the two is called, once; later calls do nothing. */
export interface Slot {
  /** The call ended like this. */
  report(call: GatewayCall): void;
  /** No call was made. */
  release(): void;
}

export interface AcquireOptions {
  signal?: AbortSignal;
  /** Runs share a kind's slots by weight while they compete. Default: one nameless run, weight 1. */
  run?: string;
  weight?: number;
}

/** The most calls in each stretch of that length (ms). */
export interface Quota {
  calls: number;
  perMs: number;
}

/** What the key may do at this moment, as the fleet's budget in Redis has it. */
export interface BudgetSnapshot {
  /** Calls per second allowed now; null = no limit in force. */
  rate: number | null;
  /**
   * Calls per second let through while all slots were wanted; null while a search has not seen enough. `rate` may be a try,
   * or come from a bucket's store.
   */
  sustained: number | null;
  source: Answer['source'];
  /** The state of the search; `ramp`: it has met no limit yet, and `rate` is only the rate reached so far. */
  mode: Answer['mode'];
  /** How long the key stays paused after a 429, ms; 0 when it is not. */
  pausedForMs: number;
  circuitOpen: boolean;
  /** How long pauses and open circuits have held calls back, in all; the time since the last reading counts. */
  heldMs: number;
  /** A window longer than a minute in which no call is left; one more in `wait` ms. */
  quota: (Quota & { wait: number }) | null;
}

export interface Pause {
  ms: number;
  reason: Answer['reason'];
}

/** The rate of one key, shared by all processes. Made by `createBudget`. */
export interface Budget {
  /** Subscribes to the other processes' news; call it before `acquire`. */
  start(): Promise<void>;
  /**
   * Resolves when the slot is due: make the call at once. Waits as long as Redis is away.
   *
   * @throws {BudgetPausedError} the fleet is paused for longer than `maxHoldMs`
   * @throws {DOMException} `AbortError`: the budget was closed; or the signal's reason
   */
  acquire(kind: CallKind, options?: AcquireOptions): Promise<Slot>;
  snapshot(): Promise<BudgetSnapshot>;
  /** The snapshot's `heldMs` as last received. */
  heldMs(): number;
  /**
   * Calls per second for the whole fleet, and longer windows, above any flag or header; null = those, or the search,
   * again.
   */
  setRate(rate: number | null, quotas?: readonly Quota[]): Promise<void>;
  /** Reports pauses that this process opened; returns how to unsubscribe. */
  onPause(listener: (pause: Pause) => void): () => void;
  /** Rejects the callers that still wait. Leaves the Redis connection open. */
  close(): Promise<void>;
}

/** The fleet is paused for longer than a caller should be held. */
export class BudgetPausedError extends Error {
  override readonly name = 'BudgetPausedError';
  /** Epoch ms. */
  readonly resumeAt: number;

  constructor(resumeAt: number) {
    super('the key is paused after rate-limit answers');
    this.resumeAt = resumeAt;
  }
}
