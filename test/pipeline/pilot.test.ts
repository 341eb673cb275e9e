import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { run } from '../../src/cli/commands/run.js';
import { runs } from '../../src/cli/commands/runs.js';
import type { PilotReport } from '../../src/plan/pilot/report.js';
import type { RunSummary } from '../../src/runs/status.js';
import { testStores } from '../lib/object-stores/stores.js';
import { startCli, TASK } from './cli.js';
import { boughtTasks, line, numbered, readOut, sandbox, tempDir, writeManifest } from './harness.js';
import { commandLine } from './plan-commands.js';

const stores = testStores();
type Answer = RunSummary & { pilot: PilotReport };
const placeOf = ({ source, line: n }: { source: string | null; line: number }) => `${source} ${n}`;

test('a pilot of a folder: lines of every file, a run of its own; the run of all buys none of them again', async () => {
  const gateway = await sandbox({ settle: { minMs: 50, maxMs: 200 } });
  const dir = await tempDir();
  await mkdir(path.join(dir, 'in'));
  const files = { 'a.jsonl': 300, 'b.jsonl': 90, 'c.jsonl': 10 };
  for (const [n, [name, count]] of Object.entries(files).entries())
    await writeManifest(
      path.join(dir, 'in'),
      Array.from({ length: count }, (_, i) =>
        line(n * 1_000 + i, i % 50 === 7 ? { data_url: 'ftp://no' } : {}),
      ),
      name,
    );
  const { call } = commandLine(dir, gateway.url);
  const args = ['in/', '--out', 'out', '--rate', '400', ...TASK, '--json', '--quiet'];
  const piloted = await call(run, [...args, '--pilot', '120']);
  const { pilot, ...summary } = JSON.parse(piloted.stdout) as Answer;
  expect(summary).toMatchObject({ state: 'completed', lines: 120 });
  expect(summary.run_id).toMatch(/\.pilot-120$/);
  expect(summary.settled + summary.failed).toBe(120);
  const bought = await boughtTasks(gateway.url);
  expect(bought.length).toBe(summary.settled);

  const rows = await readOut(path.join(dir, 'out-pilot-120'));
  const places = [...rows.results, ...rows.failures].map(placeOf);
  expect(new Set(places).size).toBe(120);
  for (const [name, count] of Object.entries(files)) {
    const some = places.filter((place) => place.includes(name)).length;
    expect(Math.abs(some - (count / 400) * 120)).toBeLessThanOrEqual(2);
  }
  expect(pilot).toMatchObject({
    of: summary.run_id.replace('.pilot-120', ''),
    lines: 120,
    manifest_lines: 400,
    agreement: expect.any(Number),
    confidence: { mean: expect.any(Number) },
    settle_seconds: { median: expect.any(Number) },
    rest: { lines: 280, rate: { source: 'flag' }, calls: { expected: expect.any(Number) } },
  });

  // The same command again reports the pilot, and sends nothing.
  const before = gateway.stats().tasks;
  expect(JSON.parse((await call(run, [...args, '--pilot', '120'])).stdout).run_id).toBe(summary.run_id);
  expect(gateway.stats().tasks).toBe(before);

  const whole = await call(run, args);
  const all = JSON.parse(whole.stdout) as RunSummary;
  expect(all).toMatchObject({ run_id: pilot.of, state: 'completed', lines: 400, settled: 391, failed: 9 });
  const tasks = await boughtTasks(gateway.url);
  expect(tasks.length).toBe(391);
  expect(tasks.filter(({ task_id }) => bought.some((task) => task.task_id === task_id)).length).toBe(
    bought.length,
  );
  const results = new Map((await readOut(path.join(dir, 'out'))).results.map((row) => [placeOf(row), row]));
  expect(results.size).toBe(391);
  for (const row of rows.results)
    expect(results.get(placeOf(row))).toMatchObject({
      task_id: row.task_id,
      idempotency_key: row.idempotency_key,
      consensus_label: row.consensus_label,
    });

  // The forecast of the rest, compared with what the rest took.
  const rest = all.cost_sats - summary.cost_sats;
  const { low = 0, high = 0, expected = 0 } = pilot.rest.cost_sats ?? {};
  expect(Math.abs(expected / rest - 1)).toBeLessThan(0.1);
  expect(low).toBeLessThan(expected);
  expect(high).toBeGreaterThan(expected);
  expect((await call(runs, [])).stdout).toContain(summary.run_id);
}, 90_000);

test('a pilot that was stopped goes on with its own lines; a named run, and text for people', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(200));
  const { call } = commandLine(dir, gateway.url);
  const args = [manifest, '--run-id', 'r', '--pilot', '50', ...TASK, '--quiet'];
  const stopped = await call(run, [...args, '--budget', '20']);
  expect(stopped.status).toBe(4);
  expect(stopped.stdout).not.toContain('The rest');
  const { status, stdout } = await call(run, args);
  expect(status).toBe(0);
  expect(stdout).toMatch(/Pilot: 50 of 200 lines\n {2}agreement +\d+(\.\d)?% of the workers/);
  expect(stdout).toMatch(/cost per label +[\d.]+ \([\d.]+ to [\d.]+\) sats/);
  expect(stdout).toMatch(/The rest: 150 lines/);
  expect(stdout).toContain('goes on as run r;');
  expect(
    (await boughtTasks(gateway.url)).every(({ idempotency_key: key }) => /^r\..*-0-\d+$/.test(key)),
  ).toBe(true);
  expect((await boughtTasks(gateway.url)).length).toBe(50);
}, 60_000);

test('of S3, and of what is compressed, as of a file', async () => {
  const { s3 } = stores;
  await s3.put(
    'pilot/a.jsonl',
    numbered(120)
      .map((each) => `${JSON.stringify(each)}\n`)
      .join(''),
  );
  await s3.put(
    'pilot/b.jsonl.gz',
    gzipSync(
      numbered(80)
        .map((each) => `\n${JSON.stringify(each)}\n`)
        .join(''),
    ),
  );
  const gateway = await sandbox();
  const dir = await tempDir();
  const { call } = commandLine(dir, gateway.url);
  const env = { AWS_ENDPOINT_URL_S3: s3.endpoint };
  const args = [s3.uri('pilot/'), '--out', s3.uri('out'), ...TASK, '--json', '--quiet'];
  const piloted = await call(run, [...args, '--pilot', '50'], env);
  expect(piloted).toMatchObject({ status: 0 });
  const { pilot } = JSON.parse(piloted.stdout) as Answer;
  expect(pilot).toMatchObject({ lines: 50, manifest_lines: 200, rest: { lines: 150 } });
  expect((await boughtTasks(gateway.url)).length).toBe(50);
  const all = JSON.parse((await call(run, args, env)).stdout) as RunSummary;
  expect(all).toMatchObject({ lines: 200, settled: 200 });
  expect((await boughtTasks(gateway.url)).length).toBe(200);
}, 90_000);

test('standard input is refused, and a name that leaves no room', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const { call } = commandLine(dir, gateway.url);
  const manifest = await writeManifest(dir, numbered(5));
  const long = await call(run, [manifest, '--run-id', 'x'.repeat(60), '--pilot', '3', ...TASK, '--quiet']);
  expect(long).toMatchObject({ status: 2, stderr: expect.stringContaining('too long for a pilot') });
  const stream = startCli(['run', '-', '--pilot', '3', '--gateway-url', gateway.url, ...TASK, '--quiet'], {
    cwd: dir,
    piped: true,
  });
  stream.child.stdin?.end(
    numbered(5)
      .map((each) => `${JSON.stringify(each)}\n`)
      .join(''),
  );
  const exit = await stream.exit;
  expect(exit).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/--pilot: standard input.*file first/s),
  });
  expect(gateway.stats().tasks).toBe(0);
}, 60_000);
