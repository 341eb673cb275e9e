import type { RunKeys } from './keys.js';
import type { RunRedis } from './scripts.js';
import type { BlockReason, RunState } from './status.js';

/** From which states a run may go to each; `completed` and `cancelled` are final but for `retry`. */
const FORMER: Record<RunState, RunState[]> = {
  paused: ['running'],
  running: ['paused', 'blocked'],
  blocked: ['running'],
  cancelled: ['running', 'paused', 'blocked'],
  completed: ['running'],
};

/**
 * Moves a run to a state if its present one allows it. Resolves to the state it is in afterwards
 * (`gone` when there is no such run).
 */
export async function transition(
  redis: RunRedis,
  keys: RunKeys,
  to: RunState,
  why: { reason?: BlockReason; message?: string } = {},
): Promise<RunState | 'gone'> {
  const state = await redis.asgTransition(
    keys.record,
    FORMER[to].join(','),
    to,
    why.reason ?? '',
    why.message ?? '',
    new Date().toISOString(),
  );
  return state as RunState | 'gone';
}

/** Opens an ended run again for the lines that `retry` puts back. */
export async function reopen(redis: RunRedis, keys: RunKeys): Promise<void> {
  await redis.hset(keys.record, 'state', 'running', 'reason', '', 'message', '');
  await redis.hdel(keys.record, 'ended_at');
}

/** Which queues stand still in a state: in-flight lines go on settling unless polls could do no good. */
export function pausedQueues(state: RunState, reason: BlockReason | null): { submit: boolean; poll: boolean } {
  if (state === 'paused') return { submit: true, poll: true };
  if (state !== 'blocked') return { submit: false, poll: false };
  return { submit: true, poll: reason === 'key_refused' || reason === 'wrong_endpoint' || reason === 'sink' };
}
