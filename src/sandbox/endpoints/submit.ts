import { type Endpoint, quotaLeft, type SandboxContext } from '../context.js';
import { createTask, isRegistered, known } from '../create-task.js';
import { failure, type Reply, reply } from '../http.js';
import type { Customer, Task } from '../records.js';
import { newId } from '../store.js';
import { isObject, taskProblem, type WireTask } from '../validate.js';
import { stateOf } from './tasks.js';

const BATCH_MOST = 1_000;

export const submitTask: Endpoint = (world, { customer, body }) => {
  const problem = taskProblem(body, isRegistered(customer));
  if (problem !== null) return failure(400, problem);
  const wire = body as WireTask;
  const existing = known(customer, wire);
  if (existing !== undefined) return accepted(world, existing, 200);
  if (quotaLeft(world, customer) < 1) return failure(403, 'quota exhausted');
  return accepted(world, createTask(world, customer, wire), 202);
};

/**
 * Built as text, not with JSON.stringify: this answer and that of a poll are sent most often. No field needs escaping.
 */
function accepted({ store, options }: SandboxContext, task: Task, status: 200 | 202): Reply {
  const state = status === 202 ? 'pending' : stateOf(task, options);
  const created = new Date(task.created).toISOString();
  const idempotent = status === 200 ? ',"idempotent":true' : '';
  const json = `{"task_id":"${store.taskId(task)}","status":"${state}","created_at":"${created}"${idempotent}}`;
  return { status, json };
}

export const submitBatch: Endpoint = (world, { customer, body }) => {
  if (!isObject(body) || !Array.isArray(body.tasks)) return failure(400, 'tasks must be a list');
  const { tasks, callback_url } = body;
  if (tasks.length === 0 || tasks.length > BATCH_MOST)
    return failure(400, `tasks must hold 1 to ${BATCH_MOST} tasks`);
  const wires = tasks.map((task: unknown) =>
    isObject(task) && callback_url != null ? { callback_url, ...task } : task,
  );
  for (const [index, task] of wires.entries()) {
    const problem = taskProblem(task, isRegistered(customer));
    if (problem !== null) return failure(400, `tasks[${index}]: ${problem}`);
  }
  if (quotaLeft(world, customer) < cost(customer, wires as WireTask[]))
    return failure(403, 'quota exhausted');
  const ids = (wires as WireTask[]).map((wire) =>
    world.store.taskId(known(customer, wire) ?? createTask(world, customer, wire)),
  );
  return reply(202, {
    batch_id: newId('bat'),
    task_count: wires.length,
    status: 'accepted',
    ...(world.options.batchTaskIds && { task_ids: ids }),
  });
};

/** Tasks that a batch would buy: known ones cost nothing, and a key that it holds twice costs once. */
function cost(customer: Customer, wires: WireTask[]): number {
  const newTasks = wires.filter((wire) => known(customer, wire) === undefined);
  const keyed = newTasks.flatMap(({ idempotency_key: key }) => (key == null ? [] : [key]));
  return newTasks.length - keyed.length + new Set(keyed).size;
}
