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

/** So many calls in each stretch of so many ms. */
export interface Quota {
  calls: number;
  perMs: number;
}

export interface BudgetSnapshot {
  /** Calls per second allowed now; null = no limit in force. */
  rate: number | null;
  source: Answer['source'];
  /** How the search for a limit stands; `ramp`: it has met none yet, and `rate` is only how far it has come. */
  mode: Answer['mode'];
  pausedForMs: number;
  circuitOpen: boolean;
  /** How long pauses and open circuits have held calls back, all of them together; what lies between two looks counts. */
  heldMs: number;
  /** A window longer than a minute in which no call is left; one more in `wait` ms. */
  quota: (Quota & { wait: number }) | null;
}

export interface Pause {
  ms: number;
  /** `circuit`: the Gateway answers nothing but errors; one probe at a time looks whether it does again. */
  reason: 'rate_limited' | 'circuit';
}

export interface Budget {
  start(): Promise<void>;
  /**
   * Resolves when the slot is due: make the call at once. Waits as long as Redis is away.
   *
   * @throws {BudgetPausedError} the fleet is paused for longer than `maxHoldMs`
   * @throws {DOMException} `AbortError`: the budget was closed; or the signal's reason
   */
  acquire(kind: CallKind, options?: AcquireOptions): Promise<Slot>;
  snapshot(): Promise<BudgetSnapshot>;
  /** The snapshot's `heldMs` as it was last heard of. */
  heldMs(): number;
  /**
   * Calls per second for the whole fleet, and longer windows, above any flag or header; null = those, or the search,
   * again.
   */
  setRate(rate: number | null, quotas?: readonly Quota[]): Promise<void>;
  /** Tells pauses that this process' reports opened; returns how to hear of no more. */
  onPause(listener: (pause: Pause) => void): () => void;
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
