import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import { runScript } from './run-script.js';
import { movedBy } from './states.js';
import type { BlockReason, RunState } from './status.js';

const reopenScript = runScript('reopen');
const transitionScript = runScript('transition');

/** From which states a run may go to each; `completed` and `cancelled` are final but for `retry`. */
const FORMER: Record<RunState, RunState[]> = {
  paused: movedBy('pause', 'paused'),
  running: movedBy('resume', 'running'),
  cancelled: movedBy('cancel', 'cancelled'),
  // States that no command sets.
  blocked: ['running'],
  completed: ['running'],
};
/** A reason that also stops polls replaces one that lets lines in flight settle. */
const formerOf = (to: RunState, reason: BlockReason | undefined): RunState[] =>
  to === 'blocked' && pausedQueues(to, reason ?? null).poll ? ['running', 'blocked'] : FORMER[to];

/**
 * Moves a run to a state if its present one allows it. Resolves to the state it is in afterwards
 * (`gone` when there is no such run).
 *
 * @param why.onlyFrom move only a run that is blocked for this reason
 */
export async function transition(
  redis: RedisClient,
  keys: RunKeys,
  to: RunState,
  why: { reason?: BlockReason; message?: string; onlyFrom?: BlockReason } = {},
): Promise<RunState | 'gone'> {
  const former = formerOf(to, why.reason).join(',');
  const state = await transitionScript.run(
    redis,
    [keys.record],
    [former, to, why.reason ?? '', why.message ?? '', new Date().toISOString(), why.onlyFrom ?? ''],
  );
  return state as RunState | 'gone';
}

/** Opens an ended run again, for the lines that `retry` puts back; false when it has not ended. */
export const reopen = async (redis: RedisClient, keys: RunKeys): Promise<boolean> =>
  (await reopenScript.run(redis, [keys.record, keys.cursor])) === 1;

/** The paused queues of a state: lines in flight go on settling unless polls could do no good. */
export function pausedQueues(
  state: RunState,
  reason: BlockReason | null,
): { submit: boolean; poll: boolean } {
  if (state === 'paused') return { submit: true, poll: true };
  if (state !== 'blocked') return { submit: false, poll: false };
  return {
    submit: true,
    poll:
      reason === 'key_refused' ||
      reason === 'wrong_endpoint' ||
      reason === 'unreachable' ||
      reason === 'sink',
  };
}
