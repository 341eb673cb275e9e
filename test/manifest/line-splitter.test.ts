import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RawLine } from '../../src/manifest/index.js';
import { createLineSplitter } from '../../src/manifest/line-splitter.js';
import { START } from './helpers.js';

const MAX = 40;

/** What lines are, said plainly: on whole bytes, one after the other. */
function reference(bytes: Buffer, max: number) {
  const lines = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, start);
    const stop = newline === -1 ? bytes.length : newline;
    const end = newline === -1 ? stop : stop + 1;
    let content = bytes.subarray(start, stop);
    const tooLong = content.length > max;
    if (start === 0 && content.subarray(0, 3).equals(Buffer.from('\ufeff'))) content = content.subarray(3);
    if (content.at(-1) === 0x0d) content = content.subarray(0, -1);
    let text: string | undefined;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
    } catch {}
    const code = tooLong ? 'line_too_long' : text === undefined ? 'invalid_json' : undefined;
    lines.push({
      line: lines.length + 1,
      end,
      bytes: end - start,
      code,
      ...(code === undefined ? { text } : {}),
    });
    start = end;
  }
  return lines;
}

async function split(chunks: Uint8Array[], from = START, max = MAX): Promise<RawLine[]> {
  const splitter = createLineSplitter(from, max);
  const lines: RawLine[] = [];
  for (const chunk of chunks) lines.push(...(await splitter.push(chunk)));
  return [...lines, ...(await splitter.end())];
}

const comparable = ({ problem, text, ...place }: RawLine) => ({
  ...place,
  code: problem?.code,
  ...(problem === undefined ? { text } : {}),
});

const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('\n', '\r\n', '\r', ' ', '{"a":1}', 'ü', '雪', '🐾', '\ufeff', '\0'),
  },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(MAX), 'x'.repeat(MAX + 1), 'é'.repeat(MAX)) },
);
const bytesOf = fc
  .array(
    fc.oneof({ weight: 6, arbitrary: piece }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }) }),
    { maxLength: 30 },
  )
  .map((pieces) => Buffer.concat(pieces.map((one) => (typeof one === 'string' ? Buffer.from(one) : one))));
const cuts = fc.array(fc.nat(60), { minLength: 1, maxLength: 30 });

function chunked(bytes: Buffer, sizes: number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = (sizes[i % sizes.length] ?? 0) + 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

test('lines, offsets and problems are the reference’s, however the bytes are cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(bytesOf, cuts, async (bytes, sizes) => {
      const lines = await split(chunked(bytes, sizes));
      expect(lines.map(comparable)).toEqual(reference(bytes, MAX));
      expect(lines.reduce((sum, line) => sum + line.bytes, 0)).toBe(bytes.length);
    }),
    { numRuns: 500 },
  );
});

test('from any line boundary on, the rest of the lines comes out the same', async () => {
  await fc.assert(
    fc.asyncProperty(bytesOf, cuts, fc.nat(), async (bytes, sizes, pick) => {
      const whole = await split([bytes]);
      const at = whole[pick % Math.max(1, whole.length)];
      if (at === undefined) return;
      const rest = await split(chunked(bytes.subarray(at.end), sizes), { line: at.line, offset: at.end });
      expect(rest).toEqual(whole.slice(at.line));
    }),
    { numRuns: 300 },
  );
});

test('an invalid byte is named by its place in the line', async () => {
  const messageOf = async (...bytes: number[]) =>
    (await split([Uint8Array.from(bytes)]))[0]?.problem?.message;
  expect(await messageOf(0x61, 0x62, 0xff, 0x63)).toBe('not valid UTF-8: 0xff at byte 3 of the line');
  expect(await messageOf(0xef, 0xbb, 0xbf, 0x61, 0xff)).toBe('not valid UTF-8: 0xff at byte 5 of the line');
  expect(await messageOf(0x61, 0xe9, 0x9b)).toBe(
    'not valid UTF-8: a character is cut off at the end of the line',
  );
});

test('a line that is too long is shown by its first 4 KiB, whole characters only', async () => {
  const [line, next] = await split([Buffer.from(`${'雪'.repeat(5000)}\nshort`)], START, 10_000);
  expect(line).toMatchObject({ bytes: 15_001, problem: { code: 'line_too_long' } });
  expect(line?.problem?.message).toContain('15000 bytes');
  expect(line?.text).toBe('雪'.repeat(Math.floor(4096 / 3)));
  expect(next).toMatchObject({ line: 2, text: 'short' });
});
