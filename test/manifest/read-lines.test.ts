import { appendFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readLines } from '../../src/manifest/index.js';
import { unzstdInScript } from '../../src/manifest/unzstd.js';
import { allLines, onlySource, START, tempFolder, textsOf } from './helpers.js';

const LINES = Array.from({ length: 20_000 }, (_, i) => `{"n":${i},"s":"${'ü'.repeat(i % 50)}"}`);
const CONTENT = Buffer.from(`${LINES.join('\r\n')}\r\n`);

/** Zstandard as the simplest of compressors writes it: a frame of raw blocks, with the content's size left out. */
function zstdRaw(content: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  const size = 100_000;
  for (let at = 0; at < content.length; at += size) {
    const block = content.subarray(at, at + size);
    parts.push(zstdBlock(at + size >= content.length, 0, block.length), block);
  }
  return Buffer.concat(parts);
}

function zstdBlock(last: boolean, type: 0 | 1, size: number): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((last ? 1 : 0) | (type << 1) | (size << 3), 0, 3);
  return header;
}

/** A frame that unpacks to `mebibytes` of one byte, in run-length blocks of 128 KiB. */
function zstdRun(byte: number, mebibytes: number): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  const blocks = mebibytes * 8;
  for (let i = 1; i <= blocks; i += 1)
    parts.push(zstdBlock(i === blocks, 1, 128 * 1024), Buffer.from([byte]));
  return Buffer.concat(parts);
}

const half = CONTENT.length >> 1;
const PACKED = {
  'plain.jsonl': CONTENT,
  'one.jsonl.gz': gzipSync(CONTENT),
  'two-members.gz': Buffer.concat([gzipSync(CONTENT.subarray(0, half)), gzipSync(CONTENT.subarray(half))]),
  'no-suffix': gzipSync(CONTENT),
  'one.jsonl.zst': zstdRaw(CONTENT),
  'skippable-frame-first': Buffer.concat([
    Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]),
    zstdRaw(CONTENT),
  ]),
  'two-frames': Buffer.concat([zstdRaw(CONTENT.subarray(0, half)), zstdRaw(CONTENT.subarray(half))]),
};

test.each(Object.entries(PACKED))('%s: all lines, and the rest from any place', async (name, bytes) => {
  const file = path.join(await tempFolder(), name);
  await writeFile(file, bytes);
  const source = await onlySource(file);
  const lines = await allLines(source);
  expect(textsOf(lines)).toEqual(LINES);
  expect(lines.at(-1)?.end).toBe(CONTENT.length);
  for (const at of [lines[0], lines[9_999], lines.at(-1)]) {
    if (at === undefined) throw new Error('no line');
    expect(await allLines(source, { line: at.line, offset: at.end })).toEqual(lines.slice(at.line));
  }
});

test.each(['one.jsonl.gz', 'one.jsonl.zst'] as const)(
  '%s cut off is an error that says where, not an early end',
  async (name) => {
    const file = path.join(await tempFolder(), name);
    const cut = PACKED[name].subarray(0, PACKED[name].length - 20);
    await writeFile(file, cut);
    await expect(allLines(await onlySource(file))).rejects.toMatchObject({
      code: 'source_changed',
      message: expect.stringMatching(new RegExp(`^${name}: .* cut off at byte ${cut.length}`)),
    });
  },
);

test.each(['one.jsonl.gz', 'one.jsonl.zst'] as const)('%s damaged is an error', async (name) => {
  const file = path.join(await tempFolder(), name);
  const damaged = Buffer.from(PACKED[name]);
  // In the middle of gzip's data; in zstd the header of the second block, made the reserved type.
  if (name.endsWith('gz')) damaged.fill(0xff, damaged.length >> 1, (damaged.length >> 1) + 50);
  else damaged.writeUIntLE(0b110, 6 + 3 + 100_000, 3);
  await writeFile(file, damaged);
  await expect(allLines(await onlySource(file))).rejects.toMatchObject({
    code: 'source_changed',
    message: expect.stringMatching(/damaged/),
  });
});

test('a file that changes is noticed, while it is read and when it is opened again', async () => {
  const file = path.join(await tempFolder(), 'a.jsonl');
  await writeFile(file, CONTENT);
  const source = await onlySource(file);
  const whileReading = async () => {
    for await (const batch of readLines(source, START))
      if (batch[0]?.line === 1) await appendFile(file, 'more\n');
  };
  await expect(whileReading()).rejects.toMatchObject({
    code: 'source_changed',
    hint: expect.stringMatching(/--run-id/),
  });
  await truncate(file, 100);
  await expect(allLines(source, { line: 1, offset: 20 })).rejects.toMatchObject({
    code: 'source_changed',
    message: expect.stringMatching(/has 100 now/),
  });
});

test('a packed source that is shorter than the place to resume at has changed', async () => {
  const file = path.join(await tempFolder(), 'a.gz');
  await writeFile(file, gzipSync('a\nb\n'));
  await expect(allLines(await onlySource(file), { line: 9, offset: 100 })).rejects.toMatchObject({
    code: 'source_changed',
  });
});

test('stops when it is told to, with the reason', async () => {
  const file = path.join(await tempFolder(), 'a.jsonl.gz');
  await writeFile(file, PACKED['one.jsonl.gz']);
  const source = await onlySource(file);
  const stop = new AbortController();
  const reason = new Error('enough');
  const reading = (async () => {
    for await (const _batch of readLines(source, START, { signal: stop.signal })) stop.abort(reason);
  })();
  await expect(reading).rejects.toBe(reason);
});

test.each([
  ['gzip', () => gzipSync(Buffer.alloc(128 << 20, 'x'))],
  ['zstd', () => zstdRun(0x78, 128)],
])('one line of 128 MiB (%s) is told apart with memory flat', async (name, pack) => {
  const file = path.join(await tempFolder(), 'long');
  await writeFile(
    file,
    Buffer.concat([pack(), name === 'gzip' ? gzipSync('\nnext') : zstdRaw(Buffer.from('\nnext'))]),
  );
  const source = await onlySource(file);
  const before = process.memoryUsage();
  let most = 0;
  const watch = setInterval(() => {
    const { heapUsed, external } = process.memoryUsage();
    most = Math.max(most, heapUsed + external - before.heapUsed - before.external);
  }, 5);
  const lines = await allLines(source).finally(() => clearInterval(watch));
  expect(lines).toMatchObject([
    { line: 1, bytes: (128 << 20) + 1, problem: { code: 'line_too_long' }, text: 'x'.repeat(4096) },
    { line: 2, text: 'next', end: (128 << 20) + 5 },
  ]);
  expect(most).toBeLessThan(80 << 20);
});

test('fzstd is given more only when its reader asks', async () => {
  let given = 0;
  async function* input() {
    const packed = zstdRun(0x78, 64);
    for (; given < packed.length; given += 100) yield packed.subarray(given, given + 100);
  }
  let size = 0;
  for await (const block of unzstdInScript(input())) {
    size += block.length;
    expect(given * (128 / 4) * 1024 - size).toBeLessThan(8 << 20);
  }
  expect(size).toBe(64 << 20);
});

test('the packed test data is what it says', () => {
  expect(gunzipSync(PACKED['two-members.gz']).equals(CONTENT)).toBe(true);
});
