import type { Call, Endpoint, SandboxContext } from '../context.js';
import { failure, reply } from '../http.js';
import { consensusOf, txidOf } from '../labels.js';
import type { SandboxOptions } from '../options.js';
import type { Task } from '../records.js';

export type TaskState = 'pending' | 'in_progress' | 'verified' | 'settled';

/** The state depends only on the time: a task is pending for the first tenth of its life. */
export function stateOf(
  { created, settles }: Pick<Task, 'created' | 'settles'>,
  { verifiedForMs }: Pick<SandboxOptions, 'verifiedForMs'>,
): TaskState {
  const now = Date.now();
  if (now >= settles) return 'settled';
  if (now >= settles - verifiedForMs) return 'verified';
  return now < created + (settles - created) / 10 ? 'pending' : 'in_progress';
}

/** Another customer's task is not there. */
function taskOf({ store }: SandboxContext, { id, customer }: Call): Task | undefined {
  const task = store.task(id);
  return task?.customer === customer ? task : undefined;
}

const NOT_FOUND = failure(404, 'task not found');
const IN_PROGRESS = reply(202, { status: 'in_progress', message: 'Task is still being labeled' });

export const getTask: Endpoint = (world, call) => {
  const task = taskOf(world, call);
  if (task === undefined) return NOT_FOUND;
  return reply(200, {
    task_id: call.id,
    status: stateOf(task, world.options),
    task_type: task.spec.type,
    data_url: task.dataUrl,
    created_at: new Date(task.created).toISOString(),
  });
};

export const getResult: Endpoint = (world, call) => {
  const task = taskOf(world, call);
  if (task === undefined) return NOT_FOUND;
  const state = stateOf(task, world.options);
  if (state !== 'verified' && state !== 'settled') return IN_PROGRESS;
  const { seed, settlementShape } = world.options;
  const { label, confidence, workers, agreeing, costSats } = consensusOf(seed, task);
  const paid = { txid: txidOf(seed, task), costSats, at: new Date(task.settles).toISOString() };
  const json =
    `{"task_id":"${call.id}","status":"${state}","consensus_label":${JSON.stringify(label)}` +
    `,"confidence":${confidence},"worker_count":${workers},"agreement_count":${agreeing}` +
    `,"created_at":"${new Date(task.created).toISOString()}"` +
    `${state === 'settled' ? SETTLEMENT[settlementShape](paid) : ''}}`;
  return { status: 200, json };
};

type Paid = { txid: string; costSats: number; at: string };
const flat = ({ txid, costSats, at }: Paid) =>
  `,"settled_at":"${at}","bsv_txid":"${txid}","cost_sats":${costSats}`;
const nested = ({ txid, costSats, at }: Paid) =>
  `,"settlement":{"bsv_txid":"${txid}","total_cost_sats":${costSats},"settled_at":"${at}"}`;
const SETTLEMENT: Record<SandboxOptions['settlementShape'], (paid: Paid) => string> = {
  flat,
  nested,
  both: (paid) => flat(paid) + nested(paid),
};
