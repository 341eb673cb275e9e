import type { LineItem, LineProblem, RawLine } from '../manifest/index.js';
import type { SubmitJob } from '../queues/queues.js';
import type { FailureRow } from '../results/rows.js';
import { eventField, exampleOf } from '../runs/history.js';
import { contentKey, fieldKey } from '../runs/idempotency-key.js';
import { type RunKeys, runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { type RunRedis, settleLine } from '../runs/scripts.js';
import type { Producer } from './produce.js';

export interface PreparedLine {
  kind: 'job';
  data: SubmitJob;
}

export interface RejectedLine {
  kind: 'rejected';
  problem: LineProblem;
  input: unknown;
  idempotency_key?: string;
}

const KNOWN_FIELDS = new Set([
  'data_url',
  'metadata',
  'type',
  'label_spec',
  'consensus_threshold',
  'idempotency_key',
]);

/** What of a valid line goes into the queue: what the run does not hold already. */
export function prepareLine(
  record: RunRecord,
  source: number,
  raw: RawLine,
  item: LineItem,
): PreparedLine | RejectedLine {
  const { task } = record;
  const spec = item.label_spec ?? task.labelSpec;
  const reject = (message: string): RejectedLine => ({
    kind: 'rejected',
    problem: { code: 'invalid_line', message },
    input: item.input,
  });
  if (spec === null)
    return reject('label_spec: neither the line nor the run has one (--question and --options)');
  const key = keyOf(record, item, {
    type: item.type ?? task.taskType,
    data_url: item.data_url,
    label_spec: spec,
    consensus_threshold: item.consensus_threshold ?? task.consensusThreshold,
  });
  if (key === null) return reject(`${task.key}: missing, and --key makes the idempotency key of it`);
  const extra = Object.entries(item.input).filter(([name]) => !KNOWN_FIELDS.has(name));
  const data: SubmitJob = {
    s: source,
    l: raw.line,
    u: item.data_url,
    ...(item.metadata === null || item.metadata === undefined ? {} : { m: item.metadata }),
    ...(key === undefined ? {} : { k: key }),
    ...(item.type === undefined ? {} : { t: item.type }),
    ...(item.label_spec === undefined ? {} : { q: item.label_spec }),
    ...(item.consensus_threshold === undefined ? {} : { c: item.consensus_threshold }),
    ...(extra.length === 0 ? {} : { x: Object.fromEntries(extra) }),
  };
  return { kind: 'job', data };
}

/** The line's own key first, then `--key`'s; undefined for the key that follows from the line's place. */
function keyOf(
  record: RunRecord,
  item: LineItem,
  content: Parameters<typeof contentKey>[0],
): string | undefined | null {
  if (item.idempotency_key !== undefined) return item.idempotency_key;
  const { key } = record.task;
  if (key === 'line') return undefined;
  if (key === 'content') return contentKey(content);
  return fieldKey(key, item.input) ?? null;
}

export async function rejectLine(
  producer: Producer,
  record: RunRecord,
  source: number,
  raw: RawLine,
  { problem, input, idempotency_key }: RejectedLine,
): Promise<void> {
  const row: FailureRow = {
    line: raw.line,
    source: record.manifest.sources.length > 1 ? (record.manifest.sources[source] ?? null) : null,
    stage: 'manifest',
    error: problem,
    attempts: 0,
    idempotency_key: idempotency_key ?? null,
    input,
  };
  const keys = runKeys(producer.prefix, record.id);
  const at = { source, line: raw.line };
  const ended = await settleLine(producer.redis, keys, at, {
    kind: 'failed',
    code: problem.code,
    record: row,
    example: exampleOf(row),
    history: [eventField('failed', record)],
  });
  if (ended) producer.metrics.failed.inc({ stage: 'manifest', code: problem.code });
}

/** Which lines of a chunk have ended. */
export const endedBits = (redis: RunRedis, keys: RunKeys, source: number, raws: RawLine[]) =>
  lineBits(redis, keys.ended(source), raws);

/** The bits of a chunk's lines, in one read of the bytes that span it. */
export async function lineBits(
  redis: RunRedis,
  key: string,
  raws: RawLine[],
): Promise<(line: number) => boolean> {
  const first = raws[0]?.line ?? 1;
  const last = raws.at(-1)?.line ?? first;
  const firstByte = Math.floor((first - 1) / 8);
  const bits = await redis.getrangeBuffer(key, firstByte, Math.floor((last - 1) / 8));
  return (line) => {
    const byte = bits[Math.floor((line - 1) / 8) - firstByte] ?? 0;
    return ((byte >> (7 - ((line - 1) % 8))) & 1) === 1;
  };
}
