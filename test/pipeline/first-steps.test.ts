import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { cli, startCli, TASK } from './cli.js';
import { numbered, sandbox, tempDir, until, writeManifest } from './harness.js';

// Each is one or more processes of its own, which a busy machine starts slowly.
vi.setConfig({ testTimeout: 90_000 });

/** What a new user may do wrong, or wonder about, in the first ten minutes. */
const line = JSON.stringify({ data_url: 'https://images.example.org/1.jpg' });

test('nothing is on record yet: `status` and `runs` say so, and how a run begins', async () => {
  const cwd = await tempDir();
  const status = await cli(['status'], { cwd });
  expect([status.status, status.stdout]).toEqual([2, '']);
  const runs = await cli(['runs'], { cwd });
  expect(runs.status).toBe(0);
  for (const { stderr } of [status, runs]) {
    expect(stderr).toContain('asg-ingest: no run is on record here\n');
    expect(stderr).toContain('`asg-ingest run <manifest>` begins one');
  }
});

test('one word too many is shown, with what a shell may have made of the rest', async () => {
  const cwd = await tempDir();
  await writeFile(path.join(cwd, 'm.jsonl'), line);
  const list = ['run', 'm.jsonl', '--sandbox', '--question', 'Which?', '--options', 'cat', 'dog'];
  const { status, stderr } = await cli(list, { cwd });
  expect(status).toBe(2);
  expect(stderr).toBe(
    'asg-ingest: run takes <manifest>, and was given "dog" as well\n  → a list is one word with commas (--options cat,dog); put quotes around blanks and *\n',
  );
  const none = await cli(['runs', 'all'], { cwd });
  expect(none.stderr).toContain('runs takes no argument, and was given "all" as well');
});

test('a key that still has its quotes is named, and not shown', async () => {
  const args = ['run', 'm.jsonl', ...TASK];
  const { status, stderr } = await cli(args, { cwd: await tempDir(), env: { ASG_API_KEY: '"sk_live_1"' } });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^asg-ingest: ASG_API_KEY: the value is not a key .* without quotes around it\n$/);
});

test('`run --help` begins with what is asked, and the local Gateway comes last', async () => {
  const { stdout } = await cli(['run', '--help'], { cwd: await tempDir() });
  const headings = stdout.split('\n').filter((text) => /^\S.*:$/.test(text));
  expect(headings.slice(1, 4)).toEqual(['What is asked:', 'The run:', 'Pace:']);
  expect(stdout.indexOf('--question')).toBeLessThan(stdout.indexOf('--redis-url'));
  expect(stdout.indexOf('--sandbox-seed')).toBeGreaterThan(stdout.indexOf('--webhook-url'));
});

describe('a run', () => {
  test('of a folder says which of its files do not look like lines; tells no "0 of 0"; adds up; says why a line failed', async () => {
    const gateway = await sandbox();
    const cwd = await tempDir();
    await mkdir(path.join(cwd, 'in'));
    await writeFile(path.join(cwd, 'in', 'a.jsonl'), `${line}\n${line}\n`);
    await writeFile(path.join(cwd, 'in', 'readme.txt'), 'hello\n');
    const args = ['run', 'in/', '--gateway-url', gateway.url, '--run-id', 'r', ...TASK];
    const { status, stdout, stderr } = await cli(args, { cwd });
    expect(status).toBe(3);
    expect(stderr).toContain(
      "in/: all 2 files are read as JSON lines, 1 of them not named .jsonl: readme.txt; a pattern takes some of them, such as '*.jsonl'",
    );
    expect(stderr).not.toContain('0 of 0');
    expect(stdout).toMatch(/\n {4}1 {2}invalid_json: readme\.txt, line 1: \S/);
    expect(stdout).toContain('correct its inputs and run it as a manifest');
    const progress = [
      ...stderr.matchAll(/of ([\d,]+) lines.*queued (\d+), in flight (\d+), settled (\d+), failed (\d+)/g),
    ];
    expect(progress.length).toBeGreaterThan(0);
    for (const [, lines, ...states] of progress)
      expect(states.map(Number).reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(
        Math.max(Number(lines), 3),
      );
  });

  test('that goes on: `results` says why there are none, a second `run` that it is not alone; the way on is a whole command', async () => {
    const gateway = await sandbox({ settle: { minMs: 100, maxMs: 200 } });
    const cwd = await tempDir();
    const manifest = await writeManifest(cwd, numbered(3_000));
    const args = ['run', manifest, '--gateway-url', gateway.url, '--run-id', 'r', ...TASK, '--rate', '40'];
    const first = startCli(args, { cwd });
    let said = '';
    first.child.stderr?.on('data', (text) => {
      said += text;
    });
    await until(() => gateway.stats().tasks >= 10, 'tasks', 60_000);
    const results = await cli(['results', 'r'], { cwd });
    expect([results.status, results.stdout]).toEqual([0, '']);
    expect(results.stderr).toMatch(
      /^asg-ingest: run r is running, \d+ of \d+ lines settled: no part is closed yet \(a part is closed at 64MiB, after 5m, and at the end\); `asg-ingest status r` shows how it stands\n$/,
    );
    const second = startCli(args, { cwd });
    await until(
      () => said.includes('another process works on this run as well'),
      'word of the second',
      25_000,
    );
    second.kill('SIGINT');
    first.kill('SIGINT');
    const again = await first.exit;
    expect(again.status).toBe(130);
    const command = /resumes where it stopped:\n {2}asg-ingest (run .*)\n/.exec(again.stderr)?.[1];
    expect(command).toBe(
      `run ${manifest} --gateway-url ${gateway.url} --run-id r --question 'Which?' --options cat,dog --poll-delay 50ms --poll-max-delay 300ms --rate 40`,
    );
    await second.exit;
  }, 150_000);

  test('with --quiet says after some seconds that the Gateway is waited for', async () => {
    const cwd = await tempDir();
    const manifest = await writeManifest(cwd, numbered(3));
    const args = ['run', manifest, '--gateway-url', 'http://127.0.0.1:1', '--quiet', ...TASK];
    const run = startCli(args, { cwd });
    let said = '';
    run.child.stderr?.on('data', (text) => {
      said += text;
    });
    const wait = 'asg-ingest: waiting for gateway: cannot reach http://127.0.0.1:1';
    await until(() => said.includes(wait), 'a word about the Gateway', 60_000);
    run.kill('SIGINT');
    expect((await run.exit).status).toBe(130);
  });

  test('whose Redis is away: one Ctrl-C ends it within seconds, and says how to go on', async () => {
    const cwd = await tempDir();
    const manifest = await writeManifest(cwd, numbered(3));
    const run = startCli(['run', manifest, '--sandbox', '--redis-url', 'redis://127.0.0.1:1', ...TASK], {
      cwd,
    });
    let said = '';
    run.child.stderr?.on('data', (text) => {
      said += text;
    });
    await until(
      () => said.includes('Redis does not answer, and is waited for'),
      'a word about Redis',
      25_000,
    );
    const asked = performance.now();
    run.kill('SIGINT');
    const { status, stderr } = await run.exit;
    expect(status).toBe(130);
    // Without the fix it takes the 15 s that work in flight may take.
    expect(performance.now() - asked).toBeLessThan(12_000);
    expect(stderr).toContain('the same command again resumes where it stopped:\n  asg-ingest run ');
  });
});
