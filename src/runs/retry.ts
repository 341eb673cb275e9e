import { IngestError } from '../errors.js';
import { parseLine, type RawLine } from '../manifest/index.js';
import { prepareLine } from '../producers/lines.js';
import type { Producer } from '../producers/produce.js';
import { jobId, type SubmitJob } from '../queues/queues.js';
import { flushAll } from '../results/flush.js';
import { readRows } from '../results/read-rows.js';
import type { FailureRow } from '../results/rows.js';
import { parsePartName, type Sink } from '../results/sink.js';
import { EXAMPLES } from './history.js';
import { type RunKeys, runKeys, SUPERSEDED } from './keys.js';
import { takeTally } from './lease.js';
import type { RunRecord } from './record.js';
import type { PartRecord } from './status.js';
import { reopen } from './transition.js';

/**
 * Puts a run's failures back into its queue, under the keys that they had. A failure part goes to `superseded/` only
 * after all its lines are queued and off the counts, so that the command may be repeated after a crash at any step.
 * Lines that failed at the manifest stage would fail again and stay. Resolves to how many lines were put back.
 *
 * @throws IngestError `sink` when the run's results are not to be seen from here.
 */
export async function retryFailures(producer: Producer, record: RunRecord, sink: Sink): Promise<number> {
  if (!(await sink.sees(record)))
    throw new IngestError('sink', `${record.out} does not hold the results of run ${record.id} here`, {
      hint: 'retry on the machine where they are',
    });
  const keys = runKeys(producer.prefix, record.id);
  // Between the first line taken back and the last one queued, the run must not be summed up.
  const tally = await takeTally(producer.redis, keys);
  try {
    // What a flush has begun is finished, and what has failed since is in parts.
    await flushAll({ ...producer, sink }, record);
    return await putAllBack(producer, record, sink, tally.signal);
  } finally {
    await tally.release();
  }
}

async function putAllBack(
  producer: Producer,
  record: RunRecord,
  sink: Sink,
  lost: AbortSignal,
): Promise<number> {
  const { redis } = producer;
  const keys = runKeys(producer.prefix, record.id);
  const onRecord = new Set((await redis.lrange(keys.parts, 0, -1)).map(nameOf));
  let lines = 0;
  for (const name of await sink.listParts(record.id)) {
    if (parsePartName(name)?.kind !== 'failures') continue;
    if (!onRecord.has(name)) {
      // Off the record by a retry that was cut off there; any other part is one that a flush is writing.
      if ((await redis.hexists(keys.record, `retry:${name}`)) === 1) await sink.setAside(name);
      continue;
    }
    let again = 0;
    for await (const row of failureRows(sink, name)) if (row.stage !== 'manifest') again += 1;
    // A part of rejections alone has nothing that could go better.
    if (again === 0) continue;
    if (lines === 0) {
      await sink.removeSummary();
      await reopen(producer.redis, keys);
    }
    let number = 0;
    for await (const row of failureRows(sink, name)) {
      lost.throwIfAborted();
      number += 1;
      await putBack(producer, record, row, name, number);
    }
    await forgetPart(producer, keys, name);
    await sink.setAside(name);
    lines += again;
  }
  return lines;
}

async function* failureRows(sink: Sink, name: string): AsyncIterable<FailureRow> {
  for await (const text of readRows(sink, name)) yield JSON.parse(text) as FailureRow;
}

/** Clears the line's bit and its count and queues it; a rejection moves into a new part. */
async function putBack(producer: Producer, record: RunRecord, row: FailureRow, part: string, number: number) {
  const keys = runKeys(producer.prefix, record.id);
  const source = row.source === null ? 0 : record.manifest.sources.indexOf(row.source);
  const rejected = row.stage === 'manifest';
  await producer.redis.asgUnfail(
    ...[keys.ended(source), keys.counts, keys.failures, keys.results, keys.record, keys.examples],
    ...[row.line - 1, row.error.code, rejected ? JSON.stringify(row) : '', part, number, EXAMPLES],
  );
  if (rejected) return;
  const data = jobOf(record, source, row);
  await producer.queues.submit.add('line', data, { jobId: jobId(source, row.line) });
}

/** The job as the producer would make it of the row's input, with the key that the line had. */
function jobOf(record: RunRecord, source: number, row: FailureRow): SubmitJob {
  const text = JSON.stringify(row.input);
  const raw: RawLine = { line: row.line, end: 0, bytes: text.length, text };
  const parsed = parseLine(raw);
  const line = parsed.kind === 'item' ? prepareLine(record, source, raw, parsed.item) : null;
  if (line?.kind !== 'job')
    throw new IngestError('internal', `line ${row.line} of a failures part is no longer valid`);
  return row.idempotency_key === null ? line.data : { ...line.data, k: row.idempotency_key };
}

/** The part leaves the record; its number is not given again, for it names its rows in the record and in `superseded/`. */
async function forgetPart(producer: Producer, keys: RunKeys, name: string): Promise<void> {
  const { redis } = producer;
  await redis.hset(keys.record, SUPERSEDED, parsePartName(name)?.number ?? 0);
  for (const text of await redis.lrange(keys.parts, 0, -1))
    if (nameOf(text) === name) await redis.lrem(keys.parts, 1, text);
}

const nameOf = (part: string) => (JSON.parse(part) as PartRecord).name;
