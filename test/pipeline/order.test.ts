import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderedRows } from '../../src/results/order.js';

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
    batchCharacters: fc.integer({ min: 1, max: 3_000 }),
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
