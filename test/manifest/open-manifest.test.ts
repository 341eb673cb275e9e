import { chmod, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { checkContent, contentDigest, openManifest, readLines } from '../../src/manifest/index.js';
import { allLines, onlySource, tempFolder, textsOf } from './helpers.js';

const namesOf = async (spec: string, cwd: string) =>
  (await openManifest(spec, { cwd })).sources.map(({ name }) => name);

test('a path, from any working directory and as a URL, is one manifest', async () => {
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'a b#ü.jsonl'), '1\n');
  const relative = await openManifest('a b#ü.jsonl', { cwd });
  expect(relative).toMatchObject({
    bytes: 2,
    sources: [{ index: 0, name: 'a b#ü.jsonl', size: 2, compression: null, seekable: true }],
  });
  expect(await openManifest(pathToFileURL(path.join(cwd, 'a b#ü.jsonl')).href)).toEqual(relative);
  expect(await openManifest(relative.uri)).toEqual(relative);
});

test('directories and patterns: which files, and in what order', async () => {
  const cwd = await tempFolder();
  await mkdir(path.join(cwd, 'in/sub'), { recursive: true });
  for (const name of [
    'in/b.jsonl',
    'in/a-2.jsonl',
    'in/a-10.jsonl',
    'in/.hidden',
    'in/sub/c.jsonl',
    'in/x(1).jsonl',
  ]) {
    await writeFile(path.join(cwd, name), '{}\n');
  }
  await writeFile(path.join(cwd, 'in/_SUCCESS'), '');
  await symlink(path.join(cwd, 'in'), path.join(cwd, 'in/sub/loop'));
  expect(await namesOf('in/', cwd)).toEqual([
    'a-10.jsonl',
    'a-2.jsonl',
    'b.jsonl',
    'sub/c.jsonl',
    'x(1).jsonl',
  ]);
  expect(await namesOf('in/*', cwd)).toEqual(['a-10.jsonl', 'a-2.jsonl', 'b.jsonl', 'x(1).jsonl']);
  expect(await namesOf('in/a-*', cwd)).toEqual(['a-10.jsonl', 'a-2.jsonl']);
  expect(await namesOf('in/*(1).js*l', cwd)).toEqual(['x(1).jsonl']);
  expect(await namesOf((await openManifest('in/a-*', { cwd })).uri, '/')).toEqual([
    'a-10.jsonl',
    'a-2.jsonl',
  ]);
  await writeFile(path.join(cwd, 'in/a-*'), '{}\n');
  expect(await namesOf('in/a-*', cwd)).toEqual(['a-*']);
});

test('the version follows the names and contents of all sources', async () => {
  const cwd = await tempFolder();
  const file = path.join(cwd, 'a.jsonl');
  const versions = new Set<string>();
  const look = async () => versions.add((await openManifest('./', { cwd })).version).size;
  await writeFile(file, '1\n');
  expect(await look()).toBe(1);
  expect(await look()).toBe(1);
  await utimes(file, 1, 1);
  expect(await look()).toBe(2);
  await writeFile(path.join(cwd, 'b.jsonl'), '1\n');
  expect(await look()).toBe(3);
});

test('what cannot be a manifest is refused, with a way out', async () => {
  const cwd = await tempFolder();
  await writeFile(path.join(cwd, 'empty.jsonl'), '');
  await writeFile(path.join(cwd, 'text.gz'), 'not packed');
  await mkdir(path.join(cwd, 'folder'));
  const refusal = (spec: string) =>
    openManifest(spec, { cwd }).then(
      () => undefined,
      ({ code, message, hint }) => ({ code, message, hint }),
    );
  const cases: [spec: string, code: string, message: RegExp, hint: RegExp][] = [
    ['missing.jsonl', 'manifest', /missing\.jsonl does not exist/, /Check the path/],
    ['missing/', 'manifest', /missing\/ does not exist/, /Check the path/],
    ['missing/*', 'manifest', /missing does not exist/, /Check the path/],
    ['empty.jsonl', 'manifest', /empty\.jsonl is empty \(0 bytes\)/, /at least one line/],
    ['folder', 'manifest', /is a directory/, /Add a \//],
    ['folder/', 'manifest', /no files match folder\//, /Check/],
    ['*.csv', 'manifest', /no files match \*\.csv/, /Check/],
    ['empty*', 'manifest', /are empty/, /Check/],
    ['f*/x.jsonl', 'manifest', /only the last part/, /directory/],
    ['text.gz', 'manifest', /is not gzip data/, /rename/],
    ['/dev/null', 'manifest', /not a regular file/, /Pipe/],
    ['file://elsewhere/x', 'manifest', /not a file URL of this machine/, /file:\/\/\//],
    ['http://', 'manifest', /not a valid URL/, /https:\/\//],
    ['ftp://host/x', 'usage', /unknown scheme "ftp:\/\/"/, /file:\/\//],
  ];
  for (const [spec, code, message, hint] of cases) {
    expect(await refusal(spec), spec).toEqual({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  }
});

test.skipIf(userInfo().uid === 0)('a file without permission is named so', async () => {
  const file = path.join(await tempFolder(), 'secret.jsonl');
  await writeFile(file, '1\n');
  await chmod(file, 0);
  await expect(openManifest(file)).rejects.toMatchObject({
    code: 'manifest',
    message: expect.stringMatching(/permission/),
  });
});

test('standard input is read when its lines are asked for, kept, and read again', async () => {
  const spoolDir = path.join(await tempFolder(), 'spool');
  const stdin = new PassThrough();
  const source = await onlySource('-', { stdin, spoolDir });
  expect(source).toMatchObject({
    uri: '-',
    name: '-',
    size: null,
    seekable: false,
    version: expect.stringMatching(/^stdin:/),
  });
  const first = allLines(source);
  stdin.write('a\nb');
  stdin.end('c\nd');
  const lines = await first;
  expect(textsOf(lines)).toEqual(['a', 'bc', 'd']);
  expect(await allLines(JSON.parse(JSON.stringify(source)))).toEqual(lines);
  expect(await allLines(source, { line: 1, offset: 2 })).toEqual(lines.slice(1));
});

test('a reading of standard input that was stopped is taken up by the next one, without a gap', async () => {
  const stdin = new PassThrough();
  const source = await onlySource('-', { stdin, spoolDir: await tempFolder() });
  const stop = new AbortController();
  stdin.write('a\nb\n');
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const batch of readLines(source, { line: 0, offset: 0 }, { signal: stop.signal })) {
      seen.push(...textsOf(batch));
      setImmediate(() => stop.abort());
    }
  })();
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  expect(seen).toEqual(['a', 'b']);
  stdin.end('c\n');
  expect(textsOf(await allLines(source, { line: 2, offset: 4 }))).toEqual(['c']);
  expect(textsOf(await allLines(source))).toEqual(['a', 'b', 'c']);
});

test('standard input that is given again is told by its content, as far as it had been read', async () => {
  const spoolDir = await tempFolder();
  const chunks = ['a\nb', 'b\nc\nd', '\ne'];
  const given = async (...some: string[]) => {
    const source = await onlySource('-', { stdin: Readable.from(some), spoolDir });
    return (seen: { offset: number; digest: string; whole: boolean }) =>
      checkContent(source, seen, {}).then(
        () => 'same',
        (error: Error) => error.message,
      );
  };
  const digest = contentDigest();
  const seenAt = new Map<number, string>();
  for (const [n, chunk] of chunks.entries()) {
    digest.push(Buffer.from(chunk));
    // At the ends of the lines that the chunk completes.
    for (const offset of [[2], [5, 7], [9, 10]][n] ?? []) seenAt.set(offset, digest.at(offset));
  }
  const text = chunks.join('');
  for (const [offset, seen] of seenAt) {
    const whole = offset === text.length;
    const what = { offset, digest: seen, whole };
    expect(await (await given(...text))(what), `byte by byte, ${offset}`).toBe('same');
    expect(await (await given(`${text.slice(0, offset)}x`))(what)).toMatch(
      whole ? /goes on after/ : /^same$/,
    );
    expect(await (await given(text.slice(0, offset - 1)))(what)).toMatch(/ends 1 bytes before/);
    expect(await (await given(`x${text.slice(1)}`))(what)).toMatch(/^standard input has changed .* first/);
  }
});

test('standard input may be packed; an empty one or a lost one is an error', async () => {
  const packed = new PassThrough();
  packed.end(gzipSync('a\nb\n'));
  const spoolDir = await tempFolder();
  expect(textsOf(await allLines(await onlySource('-', { stdin: packed, spoolDir })))).toEqual(['a', 'b']);
  const empty = new PassThrough();
  empty.end();
  const source = await onlySource('-', { stdin: empty, spoolDir });
  await expect(allLines(source)).rejects.toMatchObject({
    code: 'manifest',
    message: expect.stringMatching(/empty/),
  });
  const lost = { ...source, spool: path.join(spoolDir, 'of-another-process') };
  await expect(allLines(lost)).rejects.toMatchObject({
    code: 'manifest',
    message: expect.stringMatching(/read again/),
  });
});
