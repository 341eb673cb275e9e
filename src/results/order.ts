import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { pipeline as written } from 'node:stream/promises';
import split2 from 'split2';
import { readRows } from './read-rows.js';
import { parsePartName, type Sink } from './sink.js';

/** Characters of rows that are sorted in memory at a time; what is more is spilled to disk as sorted files. */
const BATCH_CHARACTERS = 32 << 20;
/** Sorted files that are merged, and so open, at a time. */
const FAN_IN = 64;

interface Keyed {
  source: number;
  line: number;
  text: string;
}

export interface OrderOptions {
  /** Default: 32 Mi characters. */
  batchCharacters?: number;
  /** Default: 64. */
  fanIn?: number;
}

/** The result rows of a run as they stand in its parts. */
export async function* resultRows(sink: Sink, runId: string): AsyncIterable<string> {
  for (const name of await sink.listParts(runId))
    if (parsePartName(name)?.kind === 'results') yield* readRows(sink, name);
}

/** The same rows in the manifest's order: by source, then by line. Memory does not grow with their number. */
export async function* orderedRows(
  rows: AsyncIterable<string>,
  sources: string[],
  { batchCharacters = BATCH_CHARACTERS, fanIn = FAN_IN }: OrderOptions = {},
): AsyncIterable<string> {
  const index = new Map(sources.map((name, number) => [name, number]));
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-ingest-order-'));
  let files = 0;
  const spillTo = (some: AsyncIterable<Keyed> | Iterable<Keyed>) => {
    files += 1;
    return spill(path.join(dir, String(files)), some);
  };
  try {
    let spilled: string[] = [];
    let batch: Keyed[] = [];
    let characters = 0;
    for await (const text of rows) {
      const row = JSON.parse(text) as { line: number; source: string | null };
      batch.push({ source: row.source === null ? 0 : (index.get(row.source) ?? 0), line: row.line, text });
      characters += text.length;
      if (characters < batchCharacters) continue;
      spilled.push(await spillTo(batch.sort(byPlace)));
      [batch, characters] = [[], 0];
    }
    while (spilled.length >= fanIn) {
      const merged: string[] = [];
      for (let from = 0; from < spilled.length; from += fanIn)
        merged.push(await spillTo(merge(spilled.slice(from, from + fanIn).map(readSpilled))));
      spilled = merged;
    }
    const last = batch.sort(byPlace).values();
    for await (const { text } of merge([...spilled.map(readSpilled), last])) yield text;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const byPlace = (a: Keyed, b: Keyed) => a.source - b.source || a.line - b.line;

async function spill(file: string, rows: AsyncIterable<Keyed> | Iterable<Keyed>): Promise<string> {
  async function* stored() {
    for await (const { source, line, text } of rows) yield `${source} ${line} ${text}\n`;
  }
  await written(stored, createWriteStream(file, { highWaterMark: 1 << 20 }));
  return file;
}

async function* readSpilled(file: string): AsyncGenerator<Keyed> {
  for await (const line of pipeline(createReadStream(file), split2(), () => undefined)) {
    const [source, number] = (line as string).split(' ', 2) as [string, string];
    const text = (line as string).slice(source.length + number.length + 2);
    yield { source: Number(source), line: Number(number), text };
  }
}

interface Head {
  input: AsyncIterator<Keyed> | Iterator<Keyed, unknown>;
  row: Keyed;
}

/** Sorted inputs as one sorted sequence; there are few enough of them to look at each one's head. */
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
