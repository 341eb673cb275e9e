import type { RunKeys } from '../runs/keys.js';
import type { RunRedis } from '../runs/scripts.js';

/**
 * Which of a run's line jobs wait for which task's delivery, and what deliveries said of them. Entries leave when
 * their lines end, so that there are never more than tasks in flight.
 */

/** What a delivery said: the result's fields as JSON when deliveries are trusted, else nothing. */
export type Hint = string;

export async function indexTask(redis: RunRedis, keys: RunKeys, task: string, job: string): Promise<void> {
  await redis.asgIndexTask(keys.tasks, task, job);
}

export async function forgetTask(redis: RunRedis, keys: RunKeys, task: string, job: string): Promise<void> {
  await redis.asgForgetTask(keys.tasks, keys.hints, task, job);
}

export const hintOf = (redis: RunRedis, keys: RunKeys, task: string): Promise<Hint | null> =>
  redis.hget(keys.hints, task);

export interface Hinted {
  jobs: string[];
  /** False: a delivery had said so before. */
  first: boolean;
}

/** Leaves a hint for the task's lines; null when the run does not know the task, and then nothing is left. */
export async function hintTask(
  redis: RunRedis,
  keys: RunKeys,
  task: string,
  hint: Hint,
): Promise<Hinted | null> {
  const answer = (await redis.asgHintTask(keys.tasks, keys.hints, task, hint)) as [string, number] | null;
  return answer === null ? null : { jobs: answer[0].split(' '), first: answer[1] === 1 };
}

/** BullMQ's code of a job that is not asleep: it is being worked on, waits its turn, or has ended. */
const NOT_DELAYED = -3;

/** Wakes a job; resolves all the same when it is not asleep. */
export async function wake(promote: () => Promise<void>): Promise<void> {
  await promote().catch((error: Error & { code?: unknown }) => {
    if (error.code !== NOT_DELAYED) throw error;
  });
}
