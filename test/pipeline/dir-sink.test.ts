import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openSink } from '../../src/results/sink.js';
import { tempDir } from './harness.js';

async function* chunks(...texts: (string | Error)[]): AsyncIterable<Buffer> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

test('a part that could not be written takes no room', async () => {
  const out = await tempDir();
  const writing = openSink(out).writePart('results-r-00001.jsonl', chunks('{}\n', new Error('disk full')));
  await expect(writing).rejects.toThrow('disk full');
  expect(await readdir(out)).toEqual([]);
});

test('a part has its name only when its bytes are durable, and then its directory is made durable', async () => {
  const out = await tempDir();
  const handle = await open(out);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const name = 'results-r-00001.jsonl';
  const synced: { what: 'file' | 'directory'; named: boolean }[] = [];
  const { sync } = prototype;
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    const what = (await this.stat()).isDirectory() ? 'directory' : 'file';
    synced.push({ what, named: (await readdir(out)).includes(name) });
    return sync.call(this);
  });
  onTestFinished(() => spy.mockRestore());
  await openSink(out).writePart(name, chunks('{}\n'));
  expect(synced).toEqual([
    { what: 'file', named: false },
    { what: 'directory', named: true },
  ]);
});

test('the summary clears what writers that died left, and nothing that is not ours', async () => {
  const out = await tempDir();
  const left = `.results-r-00001.jsonl.gz.${randomUUID()}.tmp`;
  const notOurs = ['notes.tmp', `.notes.${randomUUID()}.tmp`];
  for (const name of [left, ...notOurs]) await writeFile(path.join(out, name), 'x');
  await openSink(out).writeSummary('{}');
  expect((await readdir(out)).sort()).toEqual([...notOurs, 'summary.json'].sort());
});

test('a place that cannot be listed is not taken for an empty one, whose parts might be written over', async () => {
  const dir = await tempDir();
  expect(await openSink(path.join(dir, 'none')).listParts('r')).toEqual([]);
  const file = path.join(dir, 'file');
  await writeFile(file, '');
  await expect(openSink(file).listParts('r')).rejects.toThrow('ENOTDIR');
});
