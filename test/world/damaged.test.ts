import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { unzstdInScript } from '../../src/manifest/unzstd.js';
import { allLines, onlySource, textsOf } from '../manifest/helpers.js';
import { boughtTasks, tempDir } from '../pipeline/harness.js';
import { jsonl, world } from './world.js';

const TEXT = jsonl(300);
const LINES = TEXT.trimEnd().split('\n');
const zstd = (text: string | Buffer, ...flags: string[]) =>
  execFileSync('zstd', ['-q', '-c', ...flags], { input: text });
const PACKED: Record<string, Buffer> = {
  '.zst': zstd(TEXT),
  '.gz': gzipSync(TEXT),
};

const flipped = (bytes: Buffer, bit: number) => {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

async function read(dir: string, name: string, bytes: Buffer): Promise<string | null> {
  const file = path.join(dir, name);
  await writeFile(file, bytes);
  try {
    return textsOf(await allLines(await onlySource(file))).join('\n');
  } catch (error) {
    expect((error as { code?: string }).code).toMatch(/source_changed|manifest/);
    return null;
  }
}

describe.each(Object.entries(PACKED))('%s', (ending, packed) => {
  test('no flipped bit passes for good data', async () => {
    const dir = await tempDir();
    const passed: number[] = [];
    for (let n = 0; n < 60; n += 1) {
      // After the header; gzip's has fields that say nothing of the data.
      const bit = 10 * 8 + Math.floor((n * (packed.length - 10) * 8) / 60);
      const found = await read(dir, `m.jsonl${ending}`, flipped(packed, bit));
      if (found !== null && found !== LINES.join('\n')) passed.push(bit);
    }
    expect(passed).toEqual([]);
  });

  test('members and frames one after the other are all read; one that is cut is an error', async () => {
    const dir = await tempDir();
    const twice = Buffer.concat([packed, packed]);
    expect((await read(dir, `m.jsonl${ending}`, twice))?.split('\n').length).toBe(600);
    for (const missing of [1, 3, 8, 100])
      expect(await read(dir, `m.jsonl${ending}`, twice.subarray(0, twice.length - missing))).toBeNull();
  });
});

test('zero bytes between gzip members are padding; anything else there is damage', async () => {
  const dir = await tempDir();
  const packed = gzipSync(TEXT);
  const read2 = (between: Buffer) =>
    read(dir, 'm.jsonl.gz', Buffer.concat([packed, between, packed, between]));
  for (const count of [1, 512, 200_000])
    expect((await read2(Buffer.alloc(count)))?.split('\n').length, `${count}`).toBe(600);
  expect(await read2(Buffer.from('\0\0rubbish'))).toBeNull();
  expect(await read2(Buffer.from('rubbish'))).toBeNull();
});

test('Zstandard in JavaScript: skipped frames, raw and repeated blocks, frames without checksum, chunks of any size', async () => {
  const skipped = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const random = Buffer.from(Array.from({ length: 3_000 }, (_, i) => (i * 7919) % 251));
  const contents = [Buffer.from(''), Buffer.from('a'), random, Buffer.alloc(400_000, 'x'), Buffer.from(TEXT)];
  const frames = contents.flatMap((content) => [skipped, zstd(content), zstd(content, '--no-check', '-19')]);
  const stream = Buffer.concat(frames);
  for (const size of [1, 7, 1_000, stream.length]) {
    async function* chunks() {
      for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size);
    }
    const found: Uint8Array[] = [];
    for await (const block of unzstdInScript(chunks())) found.push(Buffer.from(block));
    expect(
      Buffer.concat(found).equals(Buffer.concat(contents.flatMap((each) => [each, each]))),
      `${size}`,
    ).toBe(true);
  }
});

test.each(['.zst', '.gz'])(
  'a run of a damaged %s file is blocked, with its name and the place, before it buys anything',
  async (ending) => {
    const { run, dir, gateway } = await world();
    const packed = PACKED[ending] ?? Buffer.alloc(0);
    const file = path.join(dir, `m.jsonl${ending}`);
    await writeFile(file, flipped(packed, packed.length * 8 - 20));
    const exit = await run(file);
    expect(exit).toMatchObject({
      status: 4,
      stderr: expect.stringMatching(
        new RegExp(`blocked \\(source_changed\\): m\\.jsonl${ending}: .* byte \\d+`),
      ),
    });
    expect(await boughtTasks(gateway.url)).toEqual([]);
  },
);

test('a run of a large file that is cut off is blocked at that place; what was whole is bought once', async () => {
  const { run, dir, gateway } = await world();
  const text = jsonl(3_000, (n) => ({ pad: `${n}`.padEnd(2_000, 'x') }));
  const file = path.join(dir, 'm.jsonl.gz');
  const packed = gzipSync(text, { level: 0 });
  await writeFile(file, packed.subarray(0, packed.length - 100));
  const exit = await run(file);
  expect(exit).toMatchObject({
    status: 4,
    stderr: expect.stringContaining(`m.jsonl.gz: gzip data is cut off at byte ${packed.length - 100}`),
  });
  const bought = await boughtTasks(gateway.url);
  expect(new Set(bought.map(({ data_url }) => data_url)).size).toBe(bought.length);
  expect(bought.length).toBeGreaterThan(0);
});
