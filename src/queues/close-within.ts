import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue, Worker } from 'bullmq';

/** How long an idle connection may take to close. A dead one would never close. */
const IDLE_CLOSE_MS = 2_000;
const CHECK_EVERY_MS = 100;

export interface Limits {
  /** Most that its jobs are waited for, ms. */
  deadlineMs: number;
  /** Whether none of its jobs is in hand. */
  isIdle(): boolean;
}

/**
 * Closes a worker or a queue with a deadline. BullMQ's `close()` has none and does not return while Redis is away. A
 * second, forced `close()` only waits for the first.
 */
export async function closeWithin(bull: Queue | Worker, limits: Limits = QUEUE): Promise<void> {
  const over = new AbortController();
  const closed = bull.close().then(() => 'closed' as const);
  const ended = await Promise.race([closed, tooLong(limits, over.signal)]).finally(() => over.abort());
  // Not awaited: while Redis is away, `disconnect` may not return either.
  if (ended === 'late') void bull.disconnect().catch(() => undefined);
}

const QUEUE: Limits = { deadlineMs: IDLE_CLOSE_MS, isIdle: () => true };

async function tooLong({ deadlineMs, isIdle }: Limits, signal: AbortSignal): Promise<'late'> {
  const end = performance.now() + deadlineMs;
  for (let idleMs = 0; idleMs < IDLE_CLOSE_MS && performance.now() < end && !signal.aborted; ) {
    await sleep(CHECK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    idleMs = isIdle() ? idleMs + CHECK_EVERY_MS : 0;
  }
  return 'late';
}
