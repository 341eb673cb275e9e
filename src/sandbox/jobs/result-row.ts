import type { SandboxContext } from '../context.js';
import { consensusOf, txidOf } from '../labels.js';
import type { Task } from '../records.js';

/** A settled task as a job delivers it. */
export function resultRow(
  { options, store }: Pick<SandboxContext, 'options' | 'store'>,
  task: Task,
  metadata: unknown,
): Record<string, unknown> {
  const { label, confidence, workers, agreeing, costSats } = consensusOf(options.seed, task);
  return {
    data_url: task.dataUrl,
    metadata,
    task_id: store.taskId(task),
    status: 'settled',
    consensus_label: label,
    confidence,
    worker_count: workers,
    agreement_count: agreeing,
    created_at: new Date(task.created).toISOString(),
    settled_at: new Date(task.settles).toISOString(),
    bsv_txid: txidOf(options.seed, task),
    cost_sats: costSats,
  };
}
