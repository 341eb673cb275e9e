import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { plan as planCommand } from '../../src/cli/commands/plan.js';
import { run } from '../../src/cli/commands/run.js';
import type { Plan } from '../../src/plan/plan.js';
import { callMain } from '../cli/harness.js';
import { TASK } from './cli.js';
import { line, numbered, sandbox, tempDir, writeManifest } from './harness.js';
import { commandLine } from './plan-commands.js';

const ASKED = [...['--question', 'Which?', '--options', 'cat,dog'], '--json'];
/** Without a key and without a Redis. */
const keyless = (args: string[], cwd: string) =>
  callMain(['plan', ...args], { plan: planCommand }, { env: {}, cwd });
const planOf = (stdout: string) => JSON.parse(stdout) as Plan;

test('a plan before the first run: what is wrong with the lines, and what is not known yet; nothing is sent', async () => {
  const gateway = await sandbox({ quota: 5 });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, [
    ...numbered(6),
    line(1, { metadata: 'the same address again' }),
    line(7, { idempotency_key: 'own' }),
    line(8, { idempotency_key: 'own' }),
    '{"data_url": ',
    '',
    { data_url: 'ftp://example.org/1' },
    { metadata: 1 },
  ]);
  const { call } = commandLine(dir, gateway.url);
  const args = [manifest, ...ASKED];
  const { status, stdout } = await call(planCommand, args);
  expect(status).toBe(3);
  const plan = planOf(stdout);
  expect(plan).toMatchObject({
    lines: 12,
    valid: 9,
    rejected: { invalid_line: 2, invalid_json: 1 },
    duplicates: 1,
    already_ended: 0,
    // Two lines share a key of their own.
    tasks: 8,
    price_sats: { value: null, source: null },
    cost_sats: null,
    rate: { value: null, source: null },
    calls: null,
    seconds: null,
    quota_left: 5,
    content_key_saves: { tasks: 0, sats: null },
    sample: null,
  });
  expect(plan.examples.invalid_line).toEqual([
    {
      line: 12,
      offset: null,
      source: null,
      message: expect.stringContaining('data_url: must be an http(s) URL'),
    },
    { line: 13, offset: null, source: null, message: 'data_url: is missing' },
  ]);
  expect(plan.remarks.join('\n')).toMatch(/quota covers 5 of 8 tasks/);
  expect(plan.remarks.join('\n')).toMatch(/run a pilot/);
  expect(gateway.stats().tasks).toBe(0);

  const text = await call(planCommand, args.slice(0, -1));
  expect(text.stdout).toMatch(/rejected +3\n +2 {2}invalid_line\n +line 12: data_url/);
  expect(text.stdout).toMatch(/cost +unknown/);
});

test('after a run: its lines have ended, and its price, polls and pace forecast the next', async () => {
  const gateway = await sandbox({ settle: { minMs: 100, maxMs: 400 } });
  const dir = await tempDir();
  const first = await writeManifest(dir, numbered(300), 'first.jsonl');
  const { call } = commandLine(dir, gateway.url);
  const more = ['--rate', '200', ...TASK];
  const ran = await call(run, [first, ...more, '--json', '--quiet']);
  expect(ran.status).toBe(0);
  const summary = JSON.parse(ran.stdout) as { run_id: string; cost_sats: number };

  const again = planOf((await call(planCommand, [first, ...more, '--json'])).stdout);
  expect(again).toMatchObject({
    run_id: summary.run_id,
    lines: 300,
    already_ended: 300,
    tasks: 0,
    calls: { expected: 0 },
  });

  const second = await writeManifest(
    dir,
    Array.from({ length: 600 }, (_, n) => line(n + 1_000)),
    'second.jsonl',
  );
  const forecasted = planOf((await call(planCommand, [second, ...more, '--json'])).stdout);
  expect(forecasted).toMatchObject({
    tasks: 600,
    already_ended: 0,
    price_sats: { source: 'history' },
    rate: { source: 'flag' },
  });
  const actual = await call(run, [second, ...more, '--json', '--quiet']);
  const { cost_sats, gateway_calls } = JSON.parse(actual.stdout) as {
    cost_sats: number;
    gateway_calls: Record<string, Record<string, number>>;
  };
  const calls = Object.values(gateway_calls)
    .flatMap((each) => Object.values(each))
    .reduce((sum, n) => sum + n, 0);
  for (const [range, truth] of [
    [forecasted.cost_sats, cost_sats],
    [forecasted.calls, calls],
  ] as const) {
    expect(Math.abs((range?.expected ?? 0) / truth - 1)).toBeLessThan(0.15);
    expect(range?.low).toBeLessThanOrEqual(range?.expected ?? 0);
  }
  expect(forecasted.seconds?.expected).toBeGreaterThan(0);
}, 90_000);

test('lines whose run Redis has lost are known by the parts in --out; --key content tells what it would save', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, [...numbered(50), ...numbered(20)]);
  const more = ['--out', 'out', '--gateway-url', gateway.url, ...TASK];
  const ran = await commandLine(dir, gateway.url).call(run, [manifest, ...more, '--quiet']);
  expect(ran.status).toBe(0);

  const asked = await keyless([manifest, ...more, '--price', '650', '--json'], dir);
  expect(planOf(asked.stdout)).toMatchObject({
    already_ended: 70,
    tasks: 0,
    duplicates: 20,
    cost_sats: { expected: 0 },
    quota_left: null,
    content_key_saves: { tasks: 20, sats: 13_000 },
  });
  // No Redis is started to look into.
  expect(await readdir(dir)).not.toContain('.asg-ingest');

  const byContent = await keyless([manifest, ...more, '--key', 'content', '--out', 'other', '--json'], dir);
  expect(planOf(byContent.stdout)).toMatchObject({ tasks: 50, duplicates: 20, content_key_saves: null });
}, 60_000);

test('what cannot be read is exit 2; so is a manifest that asks nothing', async () => {
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(1));
  const missing = await keyless(['nowhere.jsonl', ...ASKED], dir);
  expect(missing).toMatchObject({ status: 2, stderr: expect.stringContaining('does not exist') });
  const unasked = await keyless([manifest, '--json'], dir);
  expect(unasked).toMatchObject({ status: 2, stderr: expect.stringContaining('nothing is asked') });
  const sample = await keyless([manifest, '--sample', '200%', ...ASKED], dir);
  expect(sample).toMatchObject({ status: 2, stderr: expect.stringContaining('--sample') });
});

test('a key that the Gateway refuses leaves quota and bill unknown, and says so', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(3));
  const { call } = commandLine(dir, gateway.url);
  const { status, stdout } = await call(planCommand, [manifest, ...ASKED], { ASG_API_KEY: 'not_a_key' });
  expect(status).toBe(0);
  expect(planOf(stdout).quota_left).toBeNull();
  expect(planOf(stdout).remarks[0]).toContain('could not be asked');
});
