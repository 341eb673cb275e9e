import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { rawField } from '../../src/manifest/index.js';
import { boughtTasks, pipelineTo, runLines, sandbox, tempDir, writeManifest } from './harness.js';

/** What `JSON.parse` and `JSON.stringify` would not keep. */
const VALUES = [
  '9007199254740993',
  '1e400',
  '1.0',
  '{ "b" : 1,  "a": [ 1.0 , 9007199254740993 ],\t"a":3 }',
  '"\\u00e9"',
  '-0',
];

const written = (n: number, value: string, more = '') =>
  `{"data_url" : "https://images.example.org/${n}.jpg", "metadata":  ${value} ${more}}`;

async function rows(out: string, kind: 'results' | 'failures') {
  const names = (await readdir(out)).filter((name) => name.startsWith(`${kind}-`)).sort();
  const texts = await Promise.all(names.map((name) => readFile(path.join(out, name), 'utf8')));
  const all = texts.flatMap((text) => text.split('\n').filter(Boolean));
  return new Map(all.map((text) => [(JSON.parse(text) as { line: number }).line, text]));
}

describe('what the manifest says is kept, character by character', () => {
  test('metadata in results', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(
      dir,
      VALUES.map((value, n) => written(n, value)),
    );
    const { summary, out } = await runLines(await pipelineTo(gateway.url), dir, manifest);
    expect(summary).toMatchObject({ settled: VALUES.length, failed: 0 });
    const results = await rows(out, 'results');
    for (const [n, value] of VALUES.entries())
      expect(rawField(results.get(n + 1) ?? '{}', 'metadata')).toBe(value);
  });

  test('the whole line in failures, also when these are the manifest of another run', async () => {
    const gateway = await sandbox({ settle: { minMs: 600_000, maxMs: 600_000 } });
    const dir = await tempDir();
    // Those that wait in the queues and then have no result, and one that is not sent at all.
    const late = VALUES.map((value, n) => written(n, value));
    const wrong = written(99, '9007199254740993', ',"consensus_threshold": 9.90e1 ');
    const lines = [...late, wrong];
    const pipeline = await pipelineTo(gateway.url);
    const flags = { resultTimeout: '1s' };
    const first = await runLines(pipeline, dir, await writeManifest(dir, lines), flags);
    expect(first.summary).toMatchObject({ failures: { result_timeout: late.length, invalid_line: 1 } });
    const failures = await rows(first.out, 'failures');
    for (const [n, line] of lines.entries())
      expect(rawField(failures.get(n + 1) ?? '{}', 'input')).toBe(line);
    const again = await writeManifest(dir, [...failures.values()], 'again.jsonl');
    const second = await runLines(pipeline, dir, again, { ...flags, out: path.join(dir, 'second') });
    const inputs = [...(await rows(second.out, 'failures')).values()].map((row) => rawField(row, 'input'));
    expect(inputs.sort()).toEqual([...lines].sort());
  });

  test('fields of --key: a number, its text and its neighbours are different keys', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const ids = ['1', '"1"', '9007199254740992', '9007199254740993', '1.0', '"9007199254740993"'];
    const manifest = await writeManifest(
      dir,
      // One URL and one question: nothing but the id tells them apart. The first comes twice.
      [...ids, '1'].map((id) => written(1, `{"id": ${id}}`)),
    );
    const { summary, out } = await runLines(await pipelineTo(gateway.url), dir, manifest, {
      key: 'metadata.id',
    });
    expect(summary).toMatchObject({ lines: 7, settled: 7, failed: 0 });
    const keys = new Set((await boughtTasks(gateway.url)).map((task) => task.idempotency_key));
    expect(keys.size).toBe(ids.length);
    const results = await rows(out, 'results');
    for (const [n, id] of ids.entries())
      expect(rawField(results.get(n + 1) ?? '{}', 'metadata')).toBe(`{"id": ${id}}`);
  });
});
