import { BudgetPausedError, type CallKind } from '../budget/index.js';
import type { CallOptions } from '../gateway/types.js';
import type { Backoff } from '../queues/chunk.js';
import type { Recorder } from '../results/recorder.js';
import type { CallCounter } from '../runs/call-counts.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { transition } from '../runs/transition.js';
import { backoffMs, type CallFailure } from './call-failure.js';
import type { ConsumerContext } from './context.js';
import type { Polls } from './poll-schedule/polls.js';
import type { Reach } from './reach.js';
import type { RedisClock } from './redis-clock.js';

const HELD_MS = 500;

/** The call was not made: its run was paused, blocked or cancelled, or its process is closing. */
export class CallInterruptedError extends Error {}

/** A run as its consumers see it, in one process. */
export interface ConsumedRun {
  /** Replaced when the record changes. */
  record: RunRecord;
  callCounter: CallCounter;
  polls: Polls;
  recorder: Recorder;
  reach: Reach;
  /** A task may be polled by another host than submitted it. */
  clock: RedisClock;
  /** Lines of this process that may be bought and are not in the poll queue yet. */
  submitting: number;
  /** Stops all fetching in this process until then (epoch ms): the fleet is paused. */
  holdUntil(time: number): void;
  /** Aborts when this process stops consuming the run. */
  closing: AbortSignal;
  /** Each kind of call's leave to wait for a slot; aborts with a `CallHeldError`, and is replaced afterwards. */
  interrupts: Record<CallKind, AbortSignal>;
}

/**
 * Makes one Gateway call, with a slot of the key's budget (invariant 5: no call without one) and a permit of the
 * process. Reports the result to budget, metrics and the run's counts.
 */
export async function callGateway<T>(
  context: ConsumerContext,
  run: ConsumedRun,
  kind: CallKind,
  make: (options: CallOptions) => Promise<T>,
): Promise<T> {
  // Read the gate before waiting for a permit: if the run is paused meanwhile, no call is made.
  const signal = run.interrupts[kind];
  await context.concurrencyLimit.acquire();
  let durationMs: number | undefined;
  try {
    const { id, policy } = run.record;
    const slot = await context.budget.acquire(kind, {
      signal,
      run: id,
      weight: policy.weight,
    });
    let called = false;
    try {
      return await make({
        onCall(call) {
          called = true;
          durationMs = call.durationMs;
          slot.report(call);
          run.callCounter.record(call);
          run.reach.called(call);
          context.metrics.call(call);
        },
      });
    } finally {
      if (!called) slot.release();
    }
  } finally {
    context.concurrencyLimit.release(durationMs);
  }
}

/**
 * The next wait of a line whose call failed for a reason not its own: a backoff. It ends when `--retry-for` has been
 * waited for in all, without pauses and open circuits. Null when that time is over. No line fails while the run has
 * had no answer at all.
 */
export async function nextBackoff(
  context: ConsumerContext,
  run: ConsumedRun,
  before: Backoff | undefined,
  trouble: Extract<CallFailure, { kind: 'again' }>,
): Promise<Backoff | null> {
  const { heldMs } = await context.budget.snapshot();
  const at = Date.now();
  const waitedMs = before === undefined ? 0 : before.waitedMs + lastWait(before, at, heldMs);
  const mayFail = run.reach.answered || run.record.state === 'cancelled';
  if (waitedMs >= run.record.policy.retryForMs && mayFail) return null;
  const calls = (before?.calls ?? 0) + 1;
  const ms = Math.max(1, backoffMs(calls));
  run.callCounter.backoff(ms);
  context.metrics.backoffSeconds.inc({ reason: trouble.metric }, ms / 1000);
  return { calls, waitedMs, at, ms, heldMs };
}

/** The real length of the last backoff: it may have been cut short, or calls were held meanwhile. */
const lastWait = (before: Backoff, now: number, heldMs: number) =>
  Math.max(0, Math.min(before.ms, now - before.at - (heldMs - before.heldMs)));

type RunTrouble = Extract<CallFailure, { kind: 'run' }>;

/**
 * Blocks the run. A cancelled one cannot block, nor wait for somebody to resume it: then what stops it is a trouble
 * that may pass, returned.
 */
export async function blockRun(
  context: ConsumerContext,
  run: ConsumedRun,
  { reason, message }: RunTrouble,
): Promise<Extract<CallFailure, { kind: 'again' }> | null> {
  const keys = runKeys(context.prefix, run.record.id);
  const state = await transition(context.redis, keys, 'blocked', { reason, message });
  return state === 'cancelled' ? { kind: 'again', metric: 'server_error', message } : null;
}

/** The call may not be made now. */
export const isHeld = (error: unknown): error is BudgetPausedError | CallInterruptedError =>
  error instanceof BudgetPausedError || error instanceof CallInterruptedError;

/** How long a line waits whose call may not be made now, without holding its slot; ms. */
export function heldForMs(run: ConsumedRun, error: BudgetPausedError | CallInterruptedError): number {
  if (error instanceof CallInterruptedError) return HELD_MS;
  run.holdUntil(error.resumeAt);
  return error.resumeAt - Date.now() + Math.random() * 250;
}
