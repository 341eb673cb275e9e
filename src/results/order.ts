import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import split2 from 'split2';
import { parsePartName, type Sink } from './sink.js';

/** Rows sorted in memory at a time; more are spilled to disk as sorted files and merged. */
const RUN_ROWS = 50_000;

interface Keyed {
  source: number;
  line: number;
  text: string;
}

/** The result rows of a run as they stand in its parts. */
export async function* resultRows(sink: Sink, runId: string): AsyncIterable<string> {
  for (const name of await sink.listParts(runId)) {
    if (parsePartName(name)?.kind !== 'results') continue;
    const bytes = Readable.from(sink.readPart(name));
    for await (const line of (name.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes).pipe(split2()))
      if (line !== '') yield line as string;
  }
}

/** The same rows in the manifest's order: by source, then by line. Memory does not grow with their number. */
export async function* orderedRows(rows: AsyncIterable<string>, sources: string[]): AsyncIterable<string> {
  const index = new Map(sources.map((name, number) => [name, number]));
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-ingest-order-'));
  const spilled: string[] = [];
  try {
    let batch: Keyed[] = [];
    for await (const text of rows) {
      const row = JSON.parse(text) as { line: number; source: string | null };
      batch.push({ source: row.source === null ? 0 : (index.get(row.source) ?? 0), line: row.line, text });
      if (batch.length < RUN_ROWS) continue;
      spilled.push(await spill(dir, spilled.length, batch.sort(byPlace)));
      batch = [];
    }
    batch.sort(byPlace);
    if (spilled.length === 0) yield* batch.map(({ text }) => text);
    else yield* merge([...spilled.map(readSpilled), inMemory(batch)]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const byPlace = (a: Keyed, b: Keyed) => a.source - b.source || a.line - b.line;

async function spill(dir: string, number: number, batch: Keyed[]): Promise<string> {
  const file = path.join(dir, String(number));
  const out = createWriteStream(file);
  for (const { source, line, text } of batch)
    if (!out.write(`${source} ${line} ${text}\n`)) await once(out, 'drain');
  out.end();
  await finished(out);
  return file;
}

async function* readSpilled(file: string): AsyncGenerator<Keyed> {
  for await (const line of createReadStream(file).pipe(split2())) {
    const [source, number] = (line as string).split(' ', 2) as [string, string];
    yield {
      source: Number(source),
      line: Number(number),
      text: (line as string).slice(source.length + number.length + 2),
    };
  }
}

async function* inMemory(batch: Keyed[]): AsyncGenerator<Keyed> {
  yield* batch;
}

async function* merge(runs: AsyncGenerator<Keyed>[]): AsyncIterable<string> {
  const heads = await Promise.all(runs.map(async (run) => ({ run, next: await run.next() })));
  for (;;) {
    const live = heads.filter(({ next }) => !next.done);
    if (live.length === 0) return;
    const least = live.reduce((a, b) => (byPlace(a.next.value as Keyed, b.next.value as Keyed) <= 0 ? a : b));
    yield (least.next.value as Keyed).text;
    least.next = await least.run.next();
  }
}
