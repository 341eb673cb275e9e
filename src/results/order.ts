import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { pipeline as written } from 'node:stream/promises';
import split2 from 'split2';
import { createOrderBatch } from './order-batch.js';
import { readRows } from './read-rows.js';
import { parsePartName, type Sink } from './sink.js';

/** Bytes of rows that are sorted in memory at a time; what is more is spilled to disk as sorted files. */
const BATCH_BYTES = 32 << 20;
/** Sorted files that are merged, and so open, at a time. */
const FAN_IN = 64;

interface Keyed {
  source: number;
  line: number;
  text: string;
}

export interface OrderOptions {
  /** Default: 32 MiB. */
  batchBytes?: number;
  /** Default: 64. */
  fanIn?: number;
}

/** The result rows of a run, in the order of its parts. */
export async function* resultRows(sink: Sink, runId: string): AsyncIterable<string> {
  for (const name of await sink.listParts(runId))
    if (parsePartName(name)?.kind === 'results') yield* readRows(sink, name);
}

/** The same rows in the manifest's order: by source, then by line. Memory does not grow with their number. */
export async function* orderedRows(
  rows: AsyncIterable<string>,
  sources: string[],
  { batchBytes = BATCH_BYTES, fanIn = FAN_IN }: OrderOptions = {},
): AsyncIterable<string> {
  const index = new Map(sources.map((name, number) => [name, number]));
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-ingest-order-'));
  let files = 0;
  const spillTo = async (lines: AsyncIterable<string> | Iterable<Buffer>) => {
    files += 1;
    const file = path.join(dir, String(files));
    await written(lines, createWriteStream(file, { highWaterMark: 1 << 20 }));
    return file;
  };
  try {
    let spilled: string[] = [];
    const batch = createOrderBatch(batchBytes);
    for await (const text of rows) {
      const row = JSON.parse(text) as { line: number; source: string | null };
      const source = row.source === null ? 0 : (index.get(row.source) ?? 0);
      if (batch.add(source, row.line, text)) continue;
      spilled.push(await spillTo(batch.sorted()));
      batch.clear();
      batch.add(source, row.line, text);
    }
    while (spilled.length >= fanIn) {
      const merged: string[] = [];
      for (let from = 0; from < spilled.length; from += fanIn)
        merged.push(await spillTo(linesOf(merge(spilled.slice(from, from + fanIn).map(readSpilled)))));
      spilled = merged;
    }
    for await (const { text } of merge([...spilled.map(readSpilled), keyedRows(batch.sorted())])) yield text;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const byPlace = (a: Keyed, b: Keyed) => a.source - b.source || a.line - b.line;

async function* linesOf(rows: AsyncIterable<Keyed>): AsyncIterable<string> {
  for await (const { source, line, text } of rows) yield `${source} ${line} ${text}\n`;
}

async function* readSpilled(file: string): AsyncGenerator<Keyed> {
  for await (const line of pipeline(createReadStream(file), split2(), () => undefined))
    yield keyedOf(line as string);
}

function* keyedRows(lines: Iterable<Buffer>): Generator<Keyed, void> {
  for (const line of lines) yield keyedOf(line.toString('utf8', 0, line.length - 1));
}

function keyedOf(line: string): Keyed {
  const [source, number] = line.split(' ', 2) as [string, string];
  const text = line.slice(source.length + number.length + 2);
  return { source: Number(source), line: Number(number), text };
}

interface Head {
  input: AsyncIterator<Keyed> | Iterator<Keyed, unknown>;
  row: Keyed;
}

/** Sorted inputs as one sorted sequence; there are few enough of them to compare each one's head. */
async function* merge(inputs: Head['input'][]): AsyncGenerator<Keyed> {
  const heads = new Set<Head>();
  try {
    for (const input of inputs) {
      const next = await input.next();
      if (!next.done) heads.add({ input, row: next.value as Keyed });
    }
    for (;;) {
      let least: Head | undefined;
      for (const head of heads) if (least === undefined || byPlace(head.row, least.row) < 0) least = head;
      if (least === undefined) return;
      yield least.row;
      const next = await least.input.next();
      if (next.done) heads.delete(least);
      else least.row = next.value as Keyed;
    }
  } finally {
    // A reader may leave in the middle, or an input fail: the files of the others are closed.
    for (const input of inputs) await input.return?.();
  }
}
