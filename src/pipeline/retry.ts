import { IngestError } from '../lib/errors.js';
import { fieldMapOf, parseLine, rawField } from '../manifest/index.js';
import { addChunks } from '../producers/enqueue.js';
import { prepareLine } from '../producers/prepare-line.js';
import type { Producer } from '../producers/producer.js';
import type { QueuedLine } from '../queues/chunk.js';
import { flushAll } from '../results/flush.js';
import { readRows } from '../results/read-rows.js';
import type { FailureRow } from '../results/rows.js';
import { parsePartName, type Sink } from '../results/sink.js';
import { lineKey } from '../runs/idempotency-key.js';
import { type RunKeys, runKeys, SUPERSEDED } from '../runs/keys.js';
import { acquireSummaryLease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import { runScript } from '../runs/run-script.js';
import type { PartRecord } from '../runs/status.js';
import { EXAMPLES } from '../runs/timeline.js';
import { reopen } from '../runs/transition.js';

const takeFailuresBack = runScript('take-failures-back');

/**
 * Puts a run's failures back into its queue, under the keys that they had. A failure part goes to `superseded/` only
 * after all its lines are queued and off the counts. So the command may be repeated after a crash at any step. Lines
 * that failed at the manifest stage would fail again and stay. Resolves to how many lines were put back.
 *
 * @throws IngestError `sink` when the run's results are not to be seen from here.
 */
export async function retryFailures(producer: Producer, record: RunRecord, sink: Sink): Promise<number> {
  if (!(await sink.sees(record)))
    throw new IngestError('sink', `${record.out} does not hold the results of run ${record.id} here`, {
      hint: 'retry on the machine where they are',
    });
  const keys = runKeys(producer.prefix, record.id);
  // From the first line that is taken back to the last one queued, the run must not be summed up.
  const tally = await acquireSummaryLease(producer.redis, keys);
  try {
    // The run is opened first. So queued lines of a cancelled run are submitted, and do not fail any more.
    const cancelled = (await producer.redis.hget(keys.record, 'state')) === 'cancelled';
    const opened = cancelled && (await reopen(producer.redis, keys));
    if (opened) await sink.removeSummary();
    // Finishes a flush that has begun, and writes the latest failures into parts.
    await flushAll({ ...producer, sink }, record);
    return await requeueAllFailures(producer, record, sink, { opened, lost: tally.signal });
  } finally {
    await tally.release();
  }
}

async function requeueAllFailures(
  producer: Producer,
  record: RunRecord,
  sink: Sink,
  { opened, lost }: { opened: boolean; lost: AbortSignal },
): Promise<number> {
  const { redis } = producer;
  const keys = runKeys(producer.prefix, record.id);
  const onRecord = new Set((await redis.lrange(keys.parts, 0, -1)).map(nameOf));
  let lines = 0;
  let mayOpen = !opened;
  for (const name of await sink.listParts(record.id)) {
    if (parsePartName(name)?.kind !== 'failures') continue;
    if (!onRecord.has(name)) {
      // A retry that was interrupted took this part off the record. Any other unknown part is being written by a flush.
      if ((await redis.hexists(keys.record, `retry:${name}`)) === 1) await sink.setAside(name);
      continue;
    }
    let again = 0;
    for await (const { row } of failureRows(sink, name)) if (row.stage !== 'manifest') again += 1;
    // A part with only rejected lines: each would be rejected again.
    if (again === 0) continue;
    // Only once: a cancel that comes between two parts stays.
    if (mayOpen && (await reopen(redis, keys))) await sink.removeSummary();
    mayOpen = false;
    let number = 1;
    for await (const rows of failureBlocks(sink, name)) {
      lost.throwIfAborted();
      await requeueFailures(producer, record, rows, name, number);
      number += rows.length;
    }
    await forgetPart(producer, keys, name);
    await sink.setAside(name);
    lines += again;
  }
  return lines;
}

/** A row and its text. The text keeps numbers that JSON.parse would round. */
interface WrittenRow {
  row: FailureRow;
  text: string;
}

const BLOCK_ROWS = 500;

async function* failureRows(sink: Sink, name: string): AsyncIterable<WrittenRow> {
  for await (const text of readRows(sink, name)) yield { row: JSON.parse(text) as FailureRow, text };
}

async function* failureBlocks(sink: Sink, name: string): AsyncIterable<WrittenRow[]> {
  let block: WrittenRow[] = [];
  for await (const row of failureRows(sink, name)) {
    block.push(row);
    if (block.length < BLOCK_ROWS) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}

/** Clears the lines' bits and counts and queues them; rejections move into a new part. `first`: their place in the part. */
async function requeueFailures(
  producer: Producer,
  record: RunRecord,
  rows: readonly WrittenRow[],
  part: string,
  first: number,
): Promise<void> {
  const keys = runKeys(producer.prefix, record.id);
  const most = await producer.linesPerChunk();
  let number = first;
  for (const some of bySource(record, rows)) {
    const { source } = some;
    const args = some.rows.flatMap(({ row, text }) => [
      row.line - 1,
      row.error.code,
      row.stage === 'manifest' ? text : '',
    ]);
    await takeFailuresBack.run(
      producer.redis,
      [
        ...[keys.ended(source), keys.counts, keys.failures, keys.results, keys.record, keys.examples],
        ...(record.manifest.gold?.source === source ? [keys.gold] : []),
      ],
      [part, number, EXAMPLES, ...args],
    );
    number += some.rows.length;
    const lines = some.rows.filter(({ row }) => row.stage !== 'manifest');
    await addChunks(
      producer,
      source,
      lines.map((written) => lineOf(record, source, written)),
      most,
    );
  }
}

/** Groups consecutive rows of the same source. Keeps their order. */
function bySource(record: RunRecord, rows: readonly WrittenRow[]) {
  const groups: { source: number; rows: WrittenRow[] }[] = [];
  for (const each of rows) {
    const source = each.row.source === null ? 0 : record.manifest.sources.indexOf(each.row.source);
    const last = groups.at(-1);
    if (last?.source === source) last.rows.push(each);
    else groups.push({ source, rows: [each] });
  }
  return groups;
}

/** The line as the producer would make it of the row's input, with the key that it had. */
function lineOf(record: RunRecord, source: number, { row, text }: WrittenRow): QueuedLine {
  const input = rawField(text, 'input') ?? 'null';
  const parsed = parseLine(
    { line: row.line, end: 0, bytes: input.length, text: input },
    fieldMapOf(record.task.map ?? []),
  );
  const line = parsed.kind === 'item' ? prepareLine(record.task, row, parsed.item) : null;
  if (line?.kind !== 'queued')
    throw new IngestError('internal', `line ${row.line} of a failures part is no longer valid`);
  const { key: _asNow, ...place } = line.line;
  const had = row.idempotency_key;
  return had === null || had === lineKey(record, source, row.line) ? place : { ...place, key: had };
}

/** Takes the part off the record. Its number is never used again: it names the part in `superseded/`. */
async function forgetPart(producer: Producer, keys: RunKeys, name: string): Promise<void> {
  const { redis } = producer;
  await redis.hset(keys.record, SUPERSEDED, parsePartName(name)?.number ?? 0);
  for (const text of await redis.lrange(keys.parts, 0, -1))
    if (nameOf(text) === name) await redis.lrem(keys.parts, 1, text);
}

const nameOf = (part: string) => (JSON.parse(part) as PartRecord).name;
