import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { wouldReadOwnResults } from '../../src/manifest/own-results.js';
import { matcherOf } from '../../src/manifest/sources/file-pattern.js';
import { boughtTasks } from '../pipeline/harness.js';
import { jsonl, world } from './world.js';

describe('--out', () => {
  test('where no directory can be made, or a link leads nowhere: refused at once', async () => {
    const { call, dir, gateway } = await world();
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(3));
    await symlink(path.join(dir, 'nowhere'), path.join(dir, 'link'));
    await writeFile(path.join(dir, 'file'), 'x');
    const began = Date.now();
    for (const [out, why] of [
      ['/proc/asg-x', /no directory can be made in \/proc/],
      ['/proc/asg-x/y/z', /no directory can be made in \/proc/],
      ['link', /link is a link to a place that is not there/],
      ['link/deeper', /link is a link to a place that is not there/],
      ['file', /file is a file/],
      ['file/deeper', /ENOTDIR|is a file/],
    ] as const) {
      const exit = await call('m.jsonl', { args: ['--out', out] });
      expect(exit, out).toMatchObject({ status: 2, stderr: expect.stringMatching(why) });
      expect(exit.stderr).toContain('--out');
    }
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(gateway.stats().tasks).toBe(0);
  });

  test('on a mount that cannot sync directories, files are still written and synced', async () => {
    const { start, dir, out } = await world();
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(3));
    // What CIFS and FUSE answer, in the process itself: no such mount is to be had in a test.
    await writeFile(
      path.join(dir, 'no-directory-sync.cjs'),
      `const fs = require('node:fs/promises');
       fs.open(__filename).then(async (file) => {
         const { sync } = Object.getPrototypeOf(file);
         Object.getPrototypeOf(file).sync = async function () {
           if ((await this.stat()).isDirectory())
             throw Object.assign(new Error('EINVAL: invalid argument, fsync'), { code: 'EINVAL' });
           return sync.call(this);
         };
         await file.close();
       });`,
    );
    const exit = await start(
      ['run', 'm.jsonl', '--out', 'out', '--question', 'Which?', '--options', 'a,b', '--quiet'],
      {
        args: ['--poll-delay', '50ms'],
        env: { NODE_OPTIONS: `--require ${path.join(dir, 'no-directory-sync.cjs')}` },
      },
    ).exit;
    expect(exit, exit.stderr).toMatchObject({ status: 0 });
    expect(await readdir(out())).toContain('summary.json');
  });
});

describe('--out and the folder of the manifest', () => {
  test('a directory of its own within the folder is no part of the manifest: the run can be started again', async () => {
    const { call, dir, gateway } = await world();
    await mkdir(path.join(dir, 'in/deep'), { recursive: true });
    await writeFile(path.join(dir, 'in/a.jsonl'), jsonl(2));
    await writeFile(path.join(dir, 'in/deep/b.jsonl'), jsonl(2));
    const first = await call('in/', { args: ['--out', 'in/out'] });
    expect(first, first.stderr).toMatchObject({ status: 0 });
    const again = await call('in/', { args: ['--out', 'in/out'] });
    expect(again, again.stderr).toMatchObject({ status: 0 });
    expect(JSON.parse(again.stdout)).toMatchObject({ run_id: JSON.parse(first.stdout).run_id, lines: 4 });
    expect((await boughtTasks(gateway.url)).length).toBe(4);
  });

  test('the folder itself is refused before anything is sent', async () => {
    const { call, dir, gateway } = await world();
    await mkdir(path.join(dir, 'in'));
    await writeFile(path.join(dir, 'in/a.jsonl'), jsonl(2));
    for (const spec of ['in/', 'in/*', 'in/*.jsonl'])
      expect(await call(spec, { args: ['--out', 'in'] }), spec).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/--out: in is the place that the manifest is read from/),
      });
    expect(gateway.stats().tasks).toBe(0);
    const apart = await call('in/a*.jsonl', { args: ['--out', 'in'] });
    expect(apart, apart.stderr).toMatchObject({ status: 0 });
  });

  test.each([
    ['s3://b/in/', 's3://b/in', true],
    ['s3://b/in/', 's3://b/in/out', false],
    ['s3://b/in/*.jsonl', 's3://b/in/', true],
    ['s3://b/in/items-*', 's3://b/in/', false],
    ['s3://b/in/*', 's3://b/in/out', true],
    ['s3://b/in*', 's3://b/in/out', true],
    ['s3://b/in/*.jsonl', 's3://b/in/out', false],
    ['s3://b/', 's3://b', true],
    ['s3://b/in/', 'gs://b/in', false],
    ['s3://b/in/m.jsonl', 's3://b/in', false],
    ['in/', 's3://b/in', false],
    ['-', '/x', false],
  ])('%s, --out %s: %s', async (spec, out, expected) => {
    expect(await wouldReadOwnResults(spec, out, '/x')).toBe(expected);
  });
});

test('patterns take time linear in the name', async () => {
  const matches = await matcherOf('*a*a*a*a*a*a*a*a*a*a*b');
  const began = performance.now();
  expect(matches('a'.repeat(20_000))).toBe(false);
  expect(performance.now() - began).toBeLessThan(2_000);
  for (const [pattern, name, expected] of [
    ['*', 'a/b\nc', true],
    ['a*', 'a/b/c', true],
    ['a*c', 'ab/c', false],
    ['a*c', 'abc', true],
    ['*.jsonl', 'x.jsonl', true],
    ['*.jsonl', 'x.jsonl.gz', false],
    ['a[1]*(x).json', 'a[1]2(x).json', true],
    ['a.b', 'axb', false],
    ['é*', 'é🐈', true],
  ] as const)
    expect((await matcherOf(pattern))(name), `${pattern} ${name}`).toBe(expected);
});
