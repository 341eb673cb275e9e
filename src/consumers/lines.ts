import type { SubmitTaskParams } from '../gateway/types.js';
import type { Pipeline } from '../pipeline.js';
import type { SubmitJob } from '../queues/queues.js';
import type { FailureRow, FailureStage, ResultRow, RowLine } from '../results/rows.js';
import { confidenceField, eventField, exampleOf, settleTimeField } from '../runs/history.js';
import { lineKey } from '../runs/idempotency-key.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { settleLine } from '../runs/scripts.js';

/** The `source` of a row: null for a manifest of one source. */
export const sourceName = (record: RunRecord, source: number): string | null =>
  record.manifest.sources.length > 1 ? (record.manifest.sources[source] ?? null) : null;

export const idempotencyKey = (record: RunRecord, data: SubmitJob): string =>
  data.k ?? lineKey(record.id, data.s, data.l);

/** The task of a line. With a `callbackUrl` the Gateway tells there when it has settled. */
export function taskOf(record: RunRecord, data: SubmitJob, callbackUrl?: string): SubmitTaskParams {
  const { task } = record;
  const spec = data.q ?? task.labelSpec;
  if (spec === null) throw new Error(`line ${data.l} was queued without a label_spec`);
  const threshold = data.c ?? task.consensusThreshold;
  return {
    task_type: data.t ?? task.taskType,
    data_url: data.u,
    label_spec: spec,
    ...(threshold === null ? {} : { consensus_threshold: threshold }),
    ...(callbackUrl === undefined ? {} : { callback_url: callbackUrl }),
    idempotency_key: idempotencyKey(record, data),
  };
}

export const rowLine = (record: RunRecord, data: SubmitJob): RowLine => ({
  line: data.l,
  source: sourceName(record, data.s),
  data_url: data.u,
  metadata: data.m ?? null,
  idempotency_key: idempotencyKey(record, data),
});

/** The line's object as it was read. */
const inputOf = (data: SubmitJob) => ({
  data_url: data.u,
  ...(data.m === undefined ? {} : { metadata: data.m }),
  ...(data.t === undefined ? {} : { type: data.t }),
  ...(data.q === undefined ? {} : { label_spec: data.q }),
  ...(data.c === undefined ? {} : { consensus_threshold: data.c }),
  ...data.x,
});

export interface Failure {
  stage: FailureStage;
  code: string;
  status?: number;
  message: string;
  taskId?: string;
  /** Calls made for the line's present step. */
  attempts: number;
}

export const CANCELLED: Failure = {
  stage: 'submit',
  code: 'cancelled',
  message: 'the run was cancelled',
  attempts: 0,
};

type LineStore = Pick<Pipeline, 'redis' | 'prefix' | 'metrics'>;

export async function failLine(pipeline: LineStore, record: RunRecord, data: SubmitJob, failure: Failure) {
  const { stage, code, status, message, taskId } = failure;
  const row: FailureRow = {
    line: data.l,
    source: sourceName(record, data.s),
    stage,
    error: { code, ...(status === undefined ? {} : { status }), message },
    attempts: failure.attempts,
    idempotency_key: idempotencyKey(record, data),
    ...(taskId === undefined ? {} : { task_id: taskId }),
    input: inputOf(data),
  };
  const keys = runKeys(pipeline.prefix, record.id);
  const at = { source: data.s, line: data.l };
  const ended = await settleLine(pipeline.redis, keys, at, {
    kind: 'failed',
    code,
    record: row,
    example: exampleOf(row),
    history: [eventField('failed', record)],
  });
  if (ended) pipeline.metrics.failed.inc({ stage, code });
}

/** @param ageMs from submission to now */
export async function endWithResult(
  pipeline: Pipeline,
  record: RunRecord,
  data: SubmitJob,
  row: ResultRow,
  ageMs: number,
) {
  const keys = runKeys(pipeline.prefix, record.id);
  const at = { source: data.s, line: data.l };
  const ended = await settleLine(pipeline.redis, keys, at, {
    kind: 'settled',
    label: row.consensus_label ?? '(none)',
    costSats: row.cost_sats ?? 0,
    record: row,
    history: [eventField('settled', record), confidenceField(row.confidence), settleTimeField(ageMs)],
  });
  if (ended) pipeline.metrics.settled.inc({ settled_by: row.settled_by });
  return ended;
}
