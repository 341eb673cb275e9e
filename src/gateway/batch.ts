import { randomUUID } from 'node:crypto';
import { ASGBatchError } from './batch-error.js';
import { ASGGatewayError, ASGGatewayHTTPError } from './errors.js';
import type {
  BatchAnswer,
  BatchTask,
  RejectedTask,
  SubmitBatchResult,
  SubmitTaskParams,
  SubmitTaskResult,
} from './types.js';

type KeyedTask = SubmitTaskParams & { idempotency_key: string };

interface Calls {
  submit(tasks: KeyedTask[]): Promise<BatchAnswer>;
  submitAlone(task: KeyedTask): Promise<SubmitTaskResult>;
}

/** The Gateway's limit. */
const MOST = 1_000;
/** With this many refused one by one before any was accepted, the fault is not in the tasks. */
const HOPELESS = 100;
/** Replays under way at once. */
const REPLAYS = 16;
/** Errors that may be a task's own fault. */
const REFUSALS: ReadonlySet<number> = new Set([400, 413, 422]);

/** An empty key counts as none. */
export const withKey = (task: SubmitTaskParams): KeyedTask => ({
  ...task,
  idempotency_key: task.idempotency_key || randomUUID(),
});

export async function submitInBatches(
  given: readonly SubmitTaskParams[],
  resolveIds: boolean,
  calls: Calls,
): Promise<SubmitBatchResult> {
  const tasks = given.map(withKey);
  const batches: BatchAnswer[] = [];
  const submitted: BatchTask[] = [];
  const rejected: RejectedTask[] = [];
  const result = (first: BatchAnswer): SubmitBatchResult => ({
    ...first,
    task_count: submitted.length,
    batches,
    submitted,
    rejected,
  });
  try {
    // A stack, the next piece on top.
    const pieces = piecesOf(tasks.length).reverse();
    for (let piece = pieces.pop(); piece !== undefined; piece = pieces.pop()) {
      const { from, to } = piece;
      const answer = await calls.submit(tasks.slice(from, to)).catch((error: unknown) => {
        if (!isRefusal(error)) throw error;
        return error;
      });
      if (!(answer instanceof ASGGatewayHTTPError)) {
        batches.push(answer);
        const ids = idsOf(answer, to - from);
        for (const [n, { idempotency_key }] of tasks.slice(from, to).entries())
          submitted.push({
            index: from + n,
            idempotency_key,
            batch_id: answer.batch_id,
            task_id: ids[n] ?? null,
          });
      } else if (to - from > 1) {
        const middle = from + Math.ceil((to - from) / 2);
        pieces.push({ from: middle, to }, { from, to: middle });
      } else {
        const idempotency_key = tasks[from]?.idempotency_key ?? '';
        rejected.push({ index: from, idempotency_key, error: answer });
        if (submitted.length === 0 && (rejected.length >= HOPELESS || pieces.length === 0)) throw answer;
      }
    }
    if (resolveIds) await replay(submitted, tasks, calls.submitAlone);
  } catch (error) {
    const [first] = batches;
    if (first === undefined || !(error instanceof ASGGatewayError)) throw error;
    throw new ASGBatchError(error, result(first), tasks);
  }
  const [first] = batches;
  if (first === undefined) throw new ASGGatewayError('no batch was sent', 'invalid_request');
  return result(first);
}

/** An empty list is one piece: the Gateway says what it thinks of it. */
function piecesOf(count: number): { from: number; to: number }[] {
  const pieces = [];
  for (let from = 0; from === 0 || from < count; from += MOST)
    pieces.push({ from, to: Math.min(count, from + MOST) });
  return pieces;
}

const isRefusal = (error: unknown): error is ASGGatewayHTTPError =>
  error instanceof ASGGatewayHTTPError && REFUSALS.has(error.statusCode);

/** Not documented: `task_ids`, or `tasks` with their ids, as some servers send. */
function idsOf(answer: BatchAnswer, count: number): (string | null)[] {
  const { task_ids, tasks } = answer as { task_ids?: unknown; tasks?: unknown };
  const listed = Array.isArray(task_ids) ? task_ids : Array.isArray(tasks) ? tasks : [];
  if (listed.length !== count) return [];
  return listed.map((entry: unknown) => {
    const id = typeof entry === 'object' && entry !== null ? (entry as { task_id?: unknown }).task_id : entry;
    return typeof id === 'string' ? id : null;
  });
}

async function replay(
  submitted: readonly BatchTask[],
  tasks: readonly KeyedTask[],
  submitAlone: Calls['submitAlone'],
): Promise<void> {
  const unknown = submitted.filter(({ task_id }) => task_id === null).values();
  const failures: unknown[] = [];
  async function work(): Promise<void> {
    for (const entry of unknown) {
      const task = tasks[entry.index];
      if (task === undefined || failures.length > 0) return;
      try {
        entry.task_id = (await submitAlone(task)).task_id;
      } catch (error) {
        failures.push(error);
      }
    }
  }
  await Promise.all(Array.from({ length: REPLAYS }, work));
  if (failures.length > 0) throw failures[0];
}
