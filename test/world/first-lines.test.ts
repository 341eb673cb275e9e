import { execFileSync, execSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { boughtTasks, readOut } from '../pipeline/harness.js';
import { jsonl, world } from './world.js';

const ROWS = [1, 2, 3].map((n) => ({ data_url: `https://images.example.org/${n}.jpg`, sku: `s-${n}` }));
const LINES = ROWS.map((row) => `${JSON.stringify(row)}\n`).join('');
const csv = (delimiter: string) =>
  [['data_url', 'sku'], ...ROWS.map(Object.values)].map((row) => `${row.join(delimiter)}\n`).join('');
const utf16 = (text: string, bom = true) => Buffer.from(`${bom ? '\ufeff' : ''}${text}`, 'utf16le');

interface Sample {
  name: string;
  content: string | Buffer;
  looksLike: RegExp;
  /** The tool that the command needs, which not every machine has. */
  tool?: string;
}

const SAMPLES: Sample[] = [
  { name: 'items.csv', content: csv(','), looksLike: /like CSV/, tool: 'python3' },
  { name: 'items2.csv', content: csv(';'), looksLike: /CSV with semicolons/, tool: 'python3' },
  { name: 'items.tsv', content: csv('\t'), looksLike: /tab-separated/, tool: 'python3' },
  { name: 'array.json', content: JSON.stringify(ROWS), looksLike: /one JSON array/, tool: 'jq' },
  {
    name: 'pretty array.json',
    content: JSON.stringify(ROWS, null, 2),
    looksLike: /one JSON array/,
    tool: 'jq',
  },
  {
    name: 'pretty.jsonl',
    content: ROWS.map((row) => `${JSON.stringify(row, null, 2)}\n`).join(''),
    looksLike: /over several lines/,
    tool: 'jq',
  },
  {
    name: 'commas.jsonl',
    content: LINES.replaceAll('}\n', '},\n'),
    looksLike: /commas between the lines/,
    tool: 'sed',
  },
  { name: 'list.json', content: JSON.stringify({ items: ROWS }), looksLike: /holds a list/, tool: 'jq' },
  {
    name: 'urls.txt',
    content: ROWS.map((row) => `${row.data_url}\n`).join(''),
    looksLike: /one URL a line/,
    tool: 'jq',
  },
  { name: 'dicts.jsonl', content: LINES.replaceAll('"', "'"), looksLike: /Python's way/, tool: 'python3' },
  { name: 'items.jsonl', content: utf16(LINES), looksLike: /UTF-16 text, as PowerShell/, tool: 'iconv' },
  { name: 'nobom.jsonl', content: utf16(LINES, false), looksLike: /UTF-16/, tool: 'iconv' },
  { name: 'items.parquet', content: Buffer.from('PAR1\x15\x04\x15\x00\x00PAR1'), looksLike: /Parquet/ },
  { name: 'twice.jsonl.gz', content: gzipSync(gzipSync(LINES)), looksLike: /gzip data within gzip/ },
  { name: 'page.jsonl', content: '<!DOCTYPE html>\n<html>\n', looksLike: /a web page/ },
  { name: 'notes.jsonl', content: 'one\ntwo\n', looksLike: /text that is no JSON/ },
];

const has = (tool: string) => {
  try {
    execSync(`command -v ${tool}`);
    return true;
  } catch {
    return false;
  }
};

test.each(SAMPLES)(
  '$name is refused, and its command converts it',
  async ({ name, content, looksLike, tool }) => {
    const { call, dir, gateway } = await world();
    await writeFile(path.join(dir, name), content);
    const { status, stderr } = await call(name);
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringMatching(looksLike) });
    expect(stderr).toContain('nothing was sent');
    expect(gateway.stats().tasks).toBe(0);
    if (tool === undefined || !has(tool)) return;
    const command = /→ (.*)\n/.exec(stderr)?.[1] ?? '';
    const made = /([^ ]+|'[^']+')$/.exec(command)?.[1]?.replaceAll("'", '') ?? '';
    execFileSync('sh', ['-c', command], { cwd: dir });
    const after = await call(made);
    expect(after, after.stderr).toMatchObject({ status: 0 });
    expect((await boughtTasks(gateway.url)).map(({ data_url }) => data_url).sort()).toEqual(
      ROWS.map((r) => r.data_url),
    );
  },
);

test('a ZIP', async () => {
  const { call, dir } = await world();
  await writeFile(path.join(dir, 'in.jsonl'), LINES);
  execFileSync('python3', ['-m', 'zipfile', '-c', 'items.zip', 'in.jsonl'], { cwd: dir });
  expect(await call('items.zip')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/a ZIP archive[\s\S]*unzip -p items.zip > items.jsonl/),
  });
});

test('a CSV on standard input is refused too', async () => {
  const { start, gateway } = await world();
  const piped = start(['run', '-', '--question', 'Which?', '--options', 'a,b', '--quiet'], { piped: true });
  piped.child.stdin?.write(csv(','));
  const exit = await piped.exit;
  expect(exit).toMatchObject({ status: 2, stderr: expect.stringMatching(/standard input: .* like CSV/) });
  expect(gateway.stats().tasks).toBe(0);
});

describe('fields and types', () => {
  test('every line with image_url: the message names it, and --map takes the lines as they are', async () => {
    const { call, dir, gateway, out } = await world();
    const text = jsonl(5).replaceAll('"data_url"', '"image_url"');
    await writeFile(path.join(dir, 'm.jsonl'), text);
    expect(await call('m.jsonl')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(
        /line 1 has "image_url"; lines need "data_url"[\s\S]*→ --map data_url=image_url/,
      ),
    });
    expect(gateway.stats().tasks).toBe(0);
    const mapped = await call('m.jsonl', { args: ['--map', 'data_url=image_url', '--out', 'out'] });
    expect(mapped, mapped.stderr).toMatchObject({ status: 0 });
    const { results } = await readOut(out());
    expect(results.map(({ data_url }) => data_url).sort()).toEqual(
      [1, 2, 3, 4, 5].map((n) => `https://images.example.org/${n}.jpg`),
    );
    // The map is part of what a run is.
    const id = JSON.parse(mapped.stdout).run_id;
    const other = await call('m.jsonl', {
      args: ['--map', 'data_url=image_url', '--map', 'metadata.from=image_url', '--out', 'other'],
    });
    expect(JSON.parse(other.stdout).run_id).not.toBe(id);
    const rows = (await readOut(out('other'))).results;
    expect(rows[0]?.metadata).toMatchObject({ n: expect.any(Number), from: rows[0]?.data_url });
  });

  test('a URL deeper in the line is found by its path; --key sees the mapped line', async () => {
    const { call, dir, out } = await world();
    const lines = [1, 2].map((n) => ({
      id: n,
      image: { src: { url: `https://x.example/${n}` } },
      product: { id: `p${n}` },
    }));
    await writeFile(path.join(dir, 'm.jsonl'), lines.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const refused = await call('m.jsonl');
    expect(refused.stderr).toContain('--map data_url=image.src.url');
    const maps = ['--map', 'data_url=image.src.url,metadata.sku=product.id', '--key', 'metadata.sku'];
    const exit = await call('m.jsonl', { args: [...maps, '--out', 'out'] });
    expect(exit, exit.stderr).toMatchObject({ status: 0 });
    const { results } = await readOut(out());
    expect(results.map(({ metadata }) => metadata).sort()).toEqual([{ sku: 'p1' }, { sku: 'p2' }]);
  });

  test('every line with an unknown type', async () => {
    const { call, dir, gateway } = await world();
    await writeFile(
      path.join(dir, 'm.jsonl'),
      jsonl(3, () => ({ type: 'image-classification' })),
    );
    expect(await call('m.jsonl')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(
        /line 1 has the type "image-classification".*image_classification, text_/,
      ),
    });
    expect(gateway.stats().tasks).toBe(0);
  });

  test('some lines that are wrong are failures, as ever', async () => {
    const { call, dir } = await world();
    await writeFile(path.join(dir, 'm.jsonl'), `not json\n{"image_url":"https://x.example/1"}\n${jsonl(2)}`);
    const exit = await call('m.jsonl');
    expect(exit).toMatchObject({ status: 3 });
    expect(JSON.parse(exit.stdout)).toMatchObject({ lines: 4, settled: 2, failed: 2 });
  });

  test.each(['image_url', 'data_url=', '=x', 'bogus=x'])('--map %s is bad usage', async (map) => {
    const { call } = await world();
    expect(await call('m.jsonl', { args: ['--map', map] })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--map'),
    });
  });
});
