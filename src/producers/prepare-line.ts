import type { LineItem, LineProblem, RawLine } from '../manifest/index.js';
import type { QueuedLine } from '../queues/chunk.js';
import { contentKey, fieldKey, type TaskContent } from '../runs/idempotency-key.js';
import type { TaskOptions } from '../runs/record.js';

export interface PreparedLine {
  kind: 'queued';
  line: QueuedLine;
  /** The options that decide the line's label. */
  asks: TaskContent;
}

export interface RejectedLine {
  kind: 'rejected';
  problem: LineProblem;
  /** JSON text. */
  input: string;
  idempotency_key?: string;
}

/** What the queue gets of a valid line: its text, and its key unless the key follows from the line's place. */
export function prepareLine(
  task: TaskOptions,
  raw: Pick<RawLine, 'line'>,
  item: LineItem,
): PreparedLine | RejectedLine {
  const spec = item.label_spec ?? task.labelSpec;
  const reject = (message: string): RejectedLine => ({
    kind: 'rejected',
    problem: { code: 'invalid_line', message },
    input: item.text,
  });
  if (spec === null)
    return reject('label_spec: neither the line nor the run has one (--question and --options)');
  const asks: TaskContent = {
    type: item.type ?? task.taskType,
    data_url: item.data_url,
    label_spec: spec,
    consensus_threshold: item.consensus_threshold ?? task.consensusThreshold,
  };
  const key = keyOf(task, item, asks);
  if (key === null) return reject(`${task.key}: missing, and --key makes the idempotency key of it`);
  return {
    kind: 'queued',
    line: { line: raw.line, text: item.text, ...(key === undefined ? {} : { key }) },
    asks,
  };
}

/** The line's own key, else the key by `--key`. Undefined when the key follows from the line's place. */
function keyOf({ key }: TaskOptions, item: LineItem, content: TaskContent): string | undefined | null {
  if (item.idempotency_key !== undefined) return item.idempotency_key;
  if (key === 'line') return undefined;
  if (key === 'content') return contentKey(content);
  return fieldKey(key, item.text, content) ?? null;
}
