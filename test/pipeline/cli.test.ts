import { readdir, utimes } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { cancel, pause, resume } from '../../src/cli/commands/control.js';
import { status } from '../../src/cli/commands/status.js';
import { callMain } from '../cli/harness.js';
import { cli, outOf, startCli, TASK } from './cli.js';
import { boughtTasks, numbered, readOut, sandbox, tempDir, until, writeManifest } from './harness.js';

const runArgs = (manifest: string, url: string, more: string[] = []) => [
  ...['run', manifest, '--gateway-url', url, '--out', 'out', '--run-id', 'r', '--json', '--quiet'],
  ...[...TASK, ...more],
];

/** Waits until a figure has stood still for longer than any call takes, a slow machine allowed for. */
async function quiet(figure: () => string): Promise<void> {
  let [last, since] = ['', 0];
  const still = () => {
    const now = figure();
    if (now !== last) [last, since] = [now, Date.now()];
    return Date.now() - since > 300;
  };
  await until(still, 'no calls after a pause', 4_000);
}

describe('kill -9', () => {
  test('at several moments of a run: the same command again, nothing lost, nothing bought twice', async () => {
    const lines = 1_200;
    const gateway = await sandbox({ settle: { minMs: 100, maxMs: 600 } });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(lines));
    // Not one of the budget is lost to a call that was cut off.
    const args = runArgs(manifest, gateway.url, ['--budget', `${lines}`]);
    for (const share of [0.1, 0.35, 0.6, 0.9]) {
      const run = startCli(args, { cwd: dir });
      // Killed by what the Gateway has seen, so that each kill falls into the work.
      await until(() => gateway.stats().tasks >= share * lines, `${share} of the tasks`, 30_000);
      run.kill('SIGKILL');
      await run.exit;
    }
    const { status, stdout } = await cli(args, { cwd: dir });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', lines, settled: lines, failed: 0 });
    const { results } = await readOut(outOf(dir));
    expect(results.length).toBe(lines);
    expect(new Set(results.map((row) => row.line)).size).toBe(lines);
    expect((await boughtTasks(gateway.url)).length).toBe(lines);
  }, 90_000);
});

describe('the command line', () => {
  test('standard input, killed before its end: piped in again under the same run id, it goes on', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const text = numbered(200).map((each) => `${JSON.stringify(each)}\n`);
    const run = startCli(runArgs('-', gateway.url), { cwd: dir, piped: true });
    run.child.stdin?.write(text.slice(0, 120).join(''));
    await until(() => gateway.stats().tasks >= 100, 'tasks', 20_000);
    run.kill('SIGKILL');
    await run.exit;
    const spool = path.join(dir, '.asg-ingest', 'spool');
    // What the killed process kept, for longer than a living one leaves it untouched.
    for (const name of await readdir(spool)) await utimes(path.join(spool, name), 1, 1);
    const pipe = (content: string, end = true) => {
      const { child, exit } = startCli(runArgs('-', gateway.url, ['--out', 'other']), {
        cwd: dir,
        piped: true,
      });
      child.stdin?.on('error', () => undefined).write(content);
      if (end) child.stdin?.end();
      return exit;
    };
    // Reported at once, although the writer keeps the pipe open.
    const other = await pipe(text.toReversed().join(''), false);
    expect([other.status, other.stdout]).toEqual([2, '']);
    expect(other.stderr).toMatch(
      /run r: standard input has changed since the run began: .*; nothing was sent/,
    );
    const { status, stdout, stderr } = await pipe(text.join(''));
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/--out other is not taken: run r has written to .*out since it began/);
    expect(JSON.parse(stdout)).toMatchObject({ lines: 200, settled: 200 });
    expect((await boughtTasks(gateway.url)).length).toBe(200);
    expect(await readdir(spool)).toEqual([]);
  }, 60_000);

  test('SIGINT finishes what is in flight, exits 130, and the run resumes', async () => {
    const gateway = await sandbox({ settle: { minMs: 200, maxMs: 400 } });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(300));
    const run = startCli(runArgs(manifest, gateway.url, ['--rate', '100']), { cwd: dir });
    await until(() => gateway.stats().tasks >= 20, 'tasks');
    run.kill('SIGINT');
    const { status, stderr, stdout } = await run.exit;
    expect(status).toBe(130);
    expect(stderr).toContain('resumes');
    expect(JSON.parse(stdout)).toMatchObject({ state: 'running', ended_at: null });
    const again = await cli(runArgs(manifest, gateway.url), { cwd: dir });
    expect(again.status).toBe(0);
    expect((await boughtTasks(gateway.url)).length).toBe(300);
  });

  test('pause, status, resume and cancel from another terminal are felt by all processes', async () => {
    const gateway = await sandbox({ settle: { minMs: 200, maxMs: 400 } });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(2_000));
    const run = startCli(runArgs(manifest, gateway.url, ['--rate', '60']), { cwd: dir });
    const terminal = (args: string[]) => callMain(args, { pause, status, resume, cancel }, { cwd: dir });
    const work = startCli(['work', '--gateway-url', gateway.url, '--metrics-port', '0'], { cwd: dir });
    let said = '';
    work.child.stderr?.on('data', (text) => {
      said += text;
    });
    await until(() => said.includes('run opened') && gateway.stats().tasks >= 10, 'both processes at work');
    expect((await terminal(['pause', 'r'])).status).toBe(0);
    const paused = JSON.parse((await terminal(['status', 'r', '--json'])).stdout);
    expect(paused).toMatchObject({ state: 'paused', run_id: 'r', rate: 60 });
    await quiet(() => JSON.stringify(gateway.stats().calls));
    const calls = JSON.stringify(gateway.stats().calls);
    const still = await terminal(['status', 'r', '--json']);
    expect(JSON.parse(still.stdout).state).toBe('paused');
    expect(JSON.stringify(gateway.stats().calls)).toBe(calls);
    expect((await terminal(['resume', 'r'])).status).toBe(0);
    const before = gateway.stats().tasks;
    await until(() => gateway.stats().tasks > before, 'submissions after resume');
    expect((await terminal(['cancel', 'r'])).status).toBe(0);
    const { status: exit, stdout } = await run.exit;
    expect(exit).toBe(3);
    const summary = JSON.parse(stdout);
    expect(summary.state).toBe('cancelled');
    expect(summary.lines).toBe(summary.settled + summary.failed);
    expect(summary.failures).toEqual({ cancelled: summary.failed });
    // What was paid for has settled.
    expect(summary.settled).toBe((await boughtTasks(gateway.url)).length);
    const { results, failures } = await readOut(outOf(dir));
    expect([results.length, failures.length]).toEqual([summary.settled, summary.failed]);
  }, 60_000);

  test('produce and work: two processes, one run; work ends on SIGTERM', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(100));
    const work = startCli(['work', '--gateway-url', gateway.url, '--metrics-port', '0'], { cwd: dir });
    const options = ['--gateway-url', gateway.url, '--out', 'out', '--run-id', 'w', ...TASK];
    const produced = await cli(['produce', manifest, ...options], { cwd: dir });
    expect(produced.status).toBe(0);
    await until(
      async () => (await readOut(outOf(dir)).catch(() => null))?.summary !== null,
      'the summary',
      30_000,
    );
    expect((await readOut(outOf(dir))).summary).toMatchObject({ state: 'completed', settled: 100 });
    work.kill('SIGTERM');
    const { status, stderr } = await work.exit;
    expect(status).toBe(143);
    expect(stderr).toMatch(/listening on http:\/\/127\.0\.0\.1:\d+/);
  }, 60_000);

  test('retry puts failures back under their keys, and results come in line order', async () => {
    // Few enough calls for the circuit to stay closed.
    const gateway = await sandbox({ errorRate: 1 });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, ['nonsense', ...numbered(9)]);
    const failed = await cli(runArgs(manifest, gateway.url, ['--retry-for', '1ms']), { cwd: dir });
    expect(failed.status).toBe(3);
    expect(JSON.parse(failed.stdout).failures).toEqual({ invalid_json: 1, retries_exhausted: 9 });
    gateway.set({ errorRate: 0 });
    const retried = await cli(['retry', 'r', '--gateway-url', gateway.url, '--json', '--quiet'], {
      cwd: dir,
    });
    expect(retried.status, retried.stderr).toBe(3);
    expect(JSON.parse(retried.stdout)).toMatchObject({
      lines: 10,
      settled: 9,
      failures: { invalid_json: 1 },
    });
    const { results, failures, names } = await readOut(outOf(dir));
    expect([results.length, failures.length]).toEqual([9, 1]);
    expect(names).toContain('superseded');
    const ordered = await cli(['results', 'r', '--order', 'line'], { cwd: dir });
    const order = ordered.stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text).line as number);
    expect(order).toEqual(Array.from({ length: 9 }, (_, i) => i + 2));
  }, 60_000);

  test.each([
    [['run', 'missing.jsonl', '--gateway-url', 'http://127.0.0.1:1'], 'missing.jsonl'],
    [['run', 'x', '--rate', 'fast'], '--rate'],
    [['run', 'x', '--poll-delay', '9s', '--poll-max-delay', '1s'], '--poll'],
    [['run', 'x', '--run-id', 'a b'], '--run-id'],
    [['status', 'nothing'], 'nothing'],
  ])('%j: exit 2, naming %s, without a stack trace', async (args, name) => {
    const dir = await tempDir();
    const { status, stderr } = await cli(args, { cwd: dir });
    expect(status).toBe(2);
    expect(stderr).toContain(name);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('a key on record is nowhere in what a run prints or logs', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(3));
    const env = { ASG_API_KEY: 'sk_sandbox_never_to_be_seen' };
    const args = runArgs(manifest, gateway.url, ['--log-level', 'trace', '--debug']);
    const { stdout, stderr, status } = await cli(args, { cwd: dir, env });
    expect(status).toBe(0);
    expect(stdout + stderr).not.toContain('never_to_be_seen');
    expect(path.isAbsolute(dir)).toBe(true);
  });
});
