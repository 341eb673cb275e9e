import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderedRows } from '../../src/results/order.js';
import { tempDir } from './harness.js';

const SOURCES = ['a', 'b', 'c'];

async function* each<T>(items: T[]): AsyncIterable<T> {
  yield* items;
}

test('rows come in the order of the manifest, however many files they are spilled to', async () => {
  const place = fc.record({ source: fc.nat(2), line: fc.integer({ min: 1, max: 10_000 }) });
  const places = fc.uniqueArray(place, {
    maxLength: 300,
    selector: ({ source, line }) => `${source} ${line}`,
  });
  const limits = fc.record({
    batchBytes: fc.integer({ min: 1, max: 3_000 }),
    fanIn: fc.integer({ min: 2, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(places, limits, async (wanted, options) => {
      const rows = wanted.map(({ source, line }) =>
        JSON.stringify({ line, source: SOURCES[source], text: 'line separator \u2028, emoji 🐈' }),
      );
      const got: string[] = [];
      for await (const row of orderedRows(each(rows), SOURCES, options)) got.push(row);
      const sorted = wanted.toSorted((a, b) => a.source - b.source || a.line - b.line);
      expect(got.map((row) => JSON.parse(row) as object)).toMatchObject(
        sorted.map(({ source, line }) => ({
          line,
          source: SOURCES[source],
          text: 'line separator \u2028, emoji 🐈',
        })),
      );
    }),
    { numRuns: 30 },
  );
});

test('a part that cannot be read ends in its error', async () => {
  async function* broken(): AsyncIterable<string> {
    yield '{"line":1,"source":null}';
    throw new Error('the part is gone');
  }
  const reading = orderedRows(broken(), ['m'])[Symbol.asyncIterator]();
  await expect(reading.next()).rejects.toThrow('the part is gone');
});

test('a disk that fails while files are merged ends in its error, and in nothing else', async () => {
  const kept = process.env.TMPDIR;
  const dir = await tempDir();
  process.env.TMPDIR = dir;
  async function* rows(): AsyncIterable<string> {
    for (let line = 9; line > 0; line -= 1) yield JSON.stringify({ line, source: null });
    // What was spilled is gone, and nothing can be written beside it.
    for (const name of await readdir(dir)) await rm(path.join(dir, name), { recursive: true });
  }
  const reading = orderedRows(rows(), ['m'], { batchBytes: 1, fanIn: 2 })[Symbol.asyncIterator]();
  await expect(reading.next()).rejects.toThrow('ENOENT');
  if (kept === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = kept;
});
