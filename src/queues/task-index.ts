import type { RedisClient } from '../redis/connection.js';
import { type RunKeys, TASK_BUCKETS } from '../runs/keys.js';
import { runScript } from '../runs/run-script.js';

/**
 * The run's index from a task to its poll jobs, and the hints that deliveries left. An entry is deleted when its lines
 * end. So there are never more entries than tasks in flight.
 */
const indexScript = runScript('index-tasks');
const forgetScript = runScript('forget-tasks');
const hintScript = runScript('hint-task');

/** The delivery's content: the result's fields as JSON when deliveries are trusted, else nothing. */
export type Hint = string;

/** FNV-1a, 32 bits: spreads task ids evenly. */
function bucketOf(task: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < task.length; i += 1) hash = Math.imul(hash ^ task.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % TASK_BUCKETS;
}

const bucketsOf = (keys: RunKeys, tasks: readonly string[]) =>
  tasks.map((task) => keys.tasks(bucketOf(task)));

export async function indexTasks(redis: RedisClient, keys: RunKeys, job: string, tasks: readonly string[]) {
  if (tasks.length > 0) await indexScript.run(redis, bucketsOf(keys, tasks), [job, ...tasks]);
}

export async function forgetTasks(redis: RedisClient, keys: RunKeys, job: string, tasks: readonly string[]) {
  if (tasks.length > 0)
    await forgetScript.run(redis, [keys.hints, ...bucketsOf(keys, tasks)], [job, ...tasks]);
}

/** The deliveries' contents for these tasks, where there is one. */
export async function hintsOf(
  redis: RedisClient,
  keys: RunKeys,
  tasks: readonly string[],
): Promise<Map<string, Hint>> {
  const hints = new Map<string, Hint>();
  if (tasks.length === 0) return hints;
  for (const [index, hint] of (await redis.hmget(keys.hints, ...tasks)).entries())
    if (hint !== null) hints.set(tasks[index] ?? '', hint);
  return hints;
}

export interface Hinted {
  jobs: string[];
  /** False when a delivery has left the hint before. */
  first: boolean;
}

/** Leaves a hint for the task's lines; null when the run does not know the task, and then nothing is left. */
export async function hintTask(
  redis: RedisClient,
  keys: RunKeys,
  task: string,
  hint: Hint,
): Promise<Hinted | null> {
  const names = [keys.hints, keys.tasks(bucketOf(task))];
  const answer = (await hintScript.run(redis, names, [task, hint])) as [string, number] | null;
  return answer === null ? null : { jobs: answer[0].split(' '), first: answer[1] === 1 };
}

/** BullMQ's code of a job that is not asleep: it is being worked on, waits its turn, or has ended. */
const NOT_DELAYED = -3;

/** Wakes a job; resolves also when it is not asleep. */
export async function promoteIfDelayed(promote: () => Promise<void>): Promise<void> {
  await promote().catch((error: Error & { code?: unknown }) => {
    if (error.code !== NOT_DELAYED) throw error;
  });
}
