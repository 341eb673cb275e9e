import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseLine } from '../../src/manifest/index.js';
import { allLines, onlySource, tempFolder } from './helpers.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const parsed = async (name: string) =>
  (await allLines(await onlySource(path.join(root, 'examples', name)))).map((raw) => parseLine(raw));

test('animals.jsonl: 1,000 different valid lines, some with fields of their own', async () => {
  const lines = await parsed('animals.jsonl');
  const items = lines.flatMap((line) => (line.kind === 'item' ? [line.item] : []));
  expect([lines.length, items.length]).toEqual([1000, 1000]);
  expect(new Set(items.map(({ data_url }) => data_url)).size).toBe(1000);
  for (const field of ['type', 'label_spec', 'consensus_threshold', 'idempotency_key'] as const) {
    expect(items.filter((item) => item[field] !== undefined).length, field).toBeGreaterThan(2);
  }
});

test('broken.jsonl: every way of being broken is told apart, the good lines among them are taken', async () => {
  const lines = await parsed('broken.jsonl');
  const problems = lines.flatMap((line) =>
    line.kind === 'rejected' ? [`${line.problem.code} ${line.problem.message}`] : [],
  );
  expect(lines.filter(({ kind }) => kind === 'item')).toHaveLength(30);
  expect(lines.filter(({ kind }) => kind === 'blank')).toHaveLength(6);
  const expected = [
    /^invalid_json Unterminated string/,
    /^invalid_json Expected property name/,
    /^invalid_json Unexpected non-whitespace/,
    /^invalid_json Unexpected token/,
    /^invalid_line .* got an array/,
    /^invalid_line .* got a number/,
    /^invalid_line .* got a string/,
    /^invalid_line .* got null/,
    /^invalid_line data_url: is missing/,
    /^invalid_line data_url: .* got ""/,
    /^invalid_line data_url: .* got "ftp:/,
    /^invalid_line data_url: .* got \["https/,
    /^invalid_line data_url: .* got "images/,
    /^invalid_line type: /,
    /^invalid_line consensus_threshold: .* got 1$/,
    /^invalid_line consensus_threshold: .* got "3"/,
    /^invalid_line label_spec: options must be an array of two/,
    /^invalid_line label_spec: question/,
    /^invalid_line label_spec: options must differ/,
    /^invalid_line label_spec: must be an object/,
    /^invalid_line idempotency_key: .* got 7/,
    /^invalid_json not valid UTF-8: 0xf8 at byte 80 of the line/,
    /^invalid_json Bad control character/,
    /^invalid_line nested deeper than 512/,
    /^line_too_long the line has 11\d{5} bytes/,
  ];
  expect(problems).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});

test('the script writes exactly these files', async () => {
  const folder = await tempFolder();
  await mkdir(path.join(folder, 'examples'));
  await cp(path.join(root, 'scripts/make-examples.mjs'), path.join(folder, 'scripts/make-examples.mjs'));
  execFileSync(process.execPath, [path.join(folder, 'scripts/make-examples.mjs')]);
  for (const name of ['animals.jsonl', 'broken.jsonl']) {
    const [made, kept] = await Promise.all(
      [folder, root].map((at) => readFile(path.join(at, 'examples', name))),
    );
    expect(made?.equals(kept ?? Buffer.alloc(0)), name).toBe(true);
  }
});
