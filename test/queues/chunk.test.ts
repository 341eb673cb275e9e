import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CHUNK_CHARACTERS,
  CHUNK_LINES,
  decodeChunk,
  encodeChunk,
  intoChunks,
  type PolledLine,
  type QueuedLine,
} from '../../src/queues/chunk.js';

const count = fc.nat({ max: 2 ** 48 });
const time = fc.integer({ min: 0, max: 2 ** 45 });

/** A manifest's line: any valid UTF-8 but a line break. Tabs and carriage returns are white space to JSON, and stay. */
const text = fc
  .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\t', '\r', '\u2028', '"', '\\', '\u0000')))
  .map((pieces) => pieces.join('').replaceAll('\n', ' '));

const shared = {
  line: fc.integer({ min: 1, max: 2 ** 40 }),
  text,
};
const backoff = fc.record({ calls: count, waitedMs: count, at: time, ms: count, heldMs: count });
const optional = {
  // Also halves of surrogate pairs: a key may come from an escape such as "\ud800".
  key: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\ud800', 'a\nb\tc', '')),
  backoff,
  refusedIn: fc.string(),
};
const polled = {
  task: fc.string({ unit: 'binary' }),
  at: time,
};
const optionalOfPolled = {
  seen: count,
  boughtElsewhere: fc.constant(true as const),
  resubmitted: fc.constant(true as const),
  awaitsDelivery: fc.constant(true as const),
};
const queuedLine = fc.record(
  { ...shared, ...optional },
  { requiredKeys: ['line', 'text'] },
) as fc.Arbitrary<QueuedLine>;
const polledLine = fc.record(
  { ...shared, ...optional, ...polled, ...optionalOfPolled },
  { requiredKeys: ['line', 'text', 'task', 'at'] },
) as fc.Arbitrary<PolledLine>;

/** What BullMQ does to a job's data on its way through Redis. */
const throughRedis = <T>(data: T): T => JSON.parse(Buffer.from(JSON.stringify(data)).toString('utf8')) as T;

describe('a chunk', () => {
  test.each([
    ['lines to submit', queuedLine],
    ['lines to poll', polledLine],
  ] as const)('of %s is read as it was written', (_name, line) => {
    fc.assert(
      fc.property(
        fc.nat({ max: 9 }),
        fc.array(line as typeof queuedLine, { minLength: 1 }),
        (source, lines) => {
          const data = throughRedis(encodeChunk(source, lines));
          expect(data.n).toBe(lines.length);
          expect(decodeChunk(data)).toEqual({ source, lines });
        },
      ),
      { numRuns: 300 },
    );
  });

  test('says how old its oldest task is, and whether deliveries tell of any', () => {
    fc.assert(
      fc.property(fc.array(polledLine, { minLength: 1 }), (lines) => {
        const data = encodeChunk(0, lines);
        expect(data.at).toBe(Math.min(...lines.map(({ at }) => at)));
        expect(data.w === true).toBe(lines.some(({ awaitsDelivery }) => awaitsDelivery));
      }),
    );
  });

  test('of many alike is deflated, and small', () => {
    const lines = Array.from({ length: CHUNK_LINES }, (_, n) => ({
      line: n + 1,
      text: JSON.stringify({
        data_url: `https://images.example.org/${n}.jpg`,
        metadata: { sku: `sku-${n}` },
      }),
    }));
    const data = encodeChunk(0, lines);
    expect(data.t).toBeUndefined();
    expect(JSON.stringify(data).length / CHUNK_LINES).toBeLessThan(40);
    expect(decodeChunk(data).lines).toEqual(lines);
  });

  test('of a version before has no lines', () => {
    expect(decodeChunk({ s: 1, l: 2, u: 'u' } as never)).toEqual({ source: 1, lines: [] });
  });
});

describe('cutting lines into chunks', () => {
  const lineOf = (characters: number) =>
    fc.integer({ min: 0, max: characters }).map((n) => ({ line: 1, text: 'x'.repeat(n) }));
  const lines = fc.array(fc.oneof(lineOf(200), lineOf(2 * CHUNK_CHARACTERS)), { maxLength: 60 });

  test('keeps every line in its order, within the bounds, and fills each chunk', () => {
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 20 }), (all, most) => {
        const numbered = all.map((line, n) => ({ ...line, line: n + 1 }));
        const chunks = [...intoChunks(numbered, most)];
        expect(chunks.flat()).toEqual(numbered);
        const characters = (chunk: QueuedLine[]) => chunk.reduce((sum, { text: t }) => sum + t.length, 0);
        for (const [n, chunk] of chunks.entries()) {
          expect(chunk.length).toBeGreaterThan(0);
          expect(chunk.length).toBeLessThanOrEqual(most);
          if (chunk.length > 1) expect(characters(chunk)).toBeLessThanOrEqual(CHUNK_CHARACTERS);
          // The next line had no room in it.
          const [next] = chunks[n + 1] ?? [];
          if (next !== undefined)
            expect(chunk.length === most || characters(chunk) + next.text.length > CHUNK_CHARACTERS).toBe(
              true,
            );
        }
      }),
      { numRuns: 50 },
    );
  });
});
