import { thresholdOr } from '../config/escalation-condition.js';
import type { LabelSpec, SubmitTaskParams } from '../gateway/types.js';
import type { PolledLine, QueuedLine } from '../queues/chunk.js';
import { idempotencyKey } from '../results/endings.js';
import { escalatedKey } from '../runs/escalation.js';
import type { RunRecord } from '../runs/record.js';

/** The fields of a line's object that the Gateway gets. */
interface LineObject {
  data_url: string;
  type?: string | null;
  label_spec?: LabelSpec | null;
  consensus_threshold?: number | null;
}

/** The label spec of a line: its own, or the run's. */
export const labelSpecOf = (record: RunRecord, line: QueuedLine): LabelSpec | null =>
  (JSON.parse(line.text) as LineObject).label_spec ?? record.task.labelSpec;

/** The most labelers that one of the lines asks for, by itself or by the run; 0 when none says. */
export function labelersAsked({ task }: RunRecord, lines: readonly QueuedLine[]): number {
  let most = task.consensusThreshold ?? 0;
  for (const { text } of lines)
    if (text.includes('"consensus_threshold"'))
      most = Math.max(most, (JSON.parse(text) as LineObject).consensus_threshold ?? 0);
  return most;
}

/** How many labelers a line asks for. */
export const thresholdOf = (record: RunRecord, line: QueuedLine): number =>
  thresholdOr((JSON.parse(line.text) as LineObject).consensus_threshold ?? record.task.consensusThreshold);

/** The task of a line, or its second task if the line is asked again. `callbackUrl` receives its settling. */
export function taskOf(
  record: RunRecord,
  source: number,
  line: QueuedLine & Pick<Partial<PolledLine>, 'first'>,
  callbackUrl?: string,
): SubmitTaskParams {
  const { task } = record;
  const object = JSON.parse(line.text) as LineObject;
  const spec = object.label_spec ?? task.labelSpec;
  if (spec === null) throw new Error(`line ${line.line} was queued without a label_spec`);
  const { again } = line.first ?? {};
  const threshold = again ?? object.consensus_threshold ?? task.consensusThreshold;
  const key = idempotencyKey(record, source, line);
  return {
    task_type: object.type ?? task.taskType,
    data_url: object.data_url,
    label_spec: spec,
    ...(threshold === null ? {} : { consensus_threshold: threshold }),
    ...(callbackUrl === undefined ? {} : { callback_url: callbackUrl }),
    idempotency_key: again === undefined ? key : escalatedKey(key, again),
  };
}
