import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { plan as planCommand } from '../../src/cli/commands/plan.js';
import { run } from '../../src/cli/commands/run.js';
import { status } from '../../src/cli/commands/status.js';
import { callsOf } from '../../src/plan/history.js';
import type { RunStatus, RunSummary } from '../../src/runs/status.js';
import { collectGauges } from '../../src/web/metrics/collect.js';
import { documentOf } from '../../src/web/pages/document.js';
import { readShown } from '../../src/web/pages/read-runs.js';
import { runPage } from '../../src/web/pages/run-page.js';
import { TASK } from './cli.js';
import { numbered, pipelineTo, sandbox, tempDir, until, writeManifest } from './harness.js';
import { commandLine } from './plan-commands.js';

test('while it runs: status, metrics, pages, the display; --finish-by says early what would make it; the summary compares', async () => {
  const gateway = await sandbox({ settle: { minMs: 100, maxMs: 300 } });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(500));
  const { call, prefix } = commandLine(dir, gateway.url);
  const pipeline = await pipelineTo(gateway.url, { prefix });
  const soon = new Date(Date.now() + 3_000).toISOString();
  const args = [manifest, '--run-id', 'r', '--out', 'out', '--rate', '80', ...TASK];
  const running = call(run, [...args, '--finish-by', soon]);
  const now = async () => JSON.parse((await call(status, ['r', '--json'])).stdout) as RunStatus;

  await until(async () => (await call(status, ['r', '--json'])).status === 0, 'the run is on record');
  let reading = await now();
  await until(async () => {
    reading = await now();
    return reading.forecast?.expected?.ends_at != null || reading.ended_at !== null;
  }, 'a forecast');
  expect(reading.ended_at).toBeNull();
  const { expected, finish_by } = reading.forecast ?? {};
  expect(expected?.lines).toEqual({ expected: 500, low: 500, high: 500 });
  expect(reading.eta_seconds).toBe(expected?.seconds_left?.expected);
  expect(finish_by).toMatchObject({ time: soon, kept: false });
  expect(finish_by?.message).toMatch(/will not have ended by .*What would make it: /);

  await collectGauges(pipeline);
  const metrics = await pipeline.metrics.registry.metrics();
  const gauge = (name: string) =>
    Number(new RegExp(`^asg_ingest_${name}\\{run="r"\\} (\\S+)$`, 'm').exec(metrics)?.[1]);
  expect(gauge('forecast_cost_sats')).toBeGreaterThan(0);
  expect(gauge('forecast_end_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000 - 60);
  const shown = await readShown(pipeline.redis, prefix, 'r');
  const page = shown === null ? '' : documentOf(runPage(shown, new Date().toISOString()));
  expect(page).toContain('<h2>Forecast</h2>');
  expect(page).toContain('will not have ended by');

  const exit = await running;
  expect(exit.status).toBe(0);
  expect(exit.stderr).toContain('What would make it');
  expect(exit.stdout).toMatch(
    /against plan +cost [+−][\d.]+%, calls [+−][\d.]+%, time [+−][\d.]+% \(forecast by the run's first forecast\)/,
  );
  const summary = JSON.parse(await readFile(path.join(dir, 'out', 'summary.json'), 'utf8')) as RunSummary;
  expect(summary.forecast).toMatchObject({
    planned: { by: 'run' },
    expected: null,
    actual: { cost_sats: summary.cost_sats },
    finish_by: null,
  });
  const cost = summary.forecast?.planned?.cost_sats?.expected ?? 0;
  expect(Math.abs(cost / summary.cost_sats - 1)).toBeLessThan(0.15);
}, 90_000);

test('with --escalate the forecast has the second tasks of the lines to come', async () => {
  const gateway = await sandbox({ settle: { minMs: 100, maxMs: 300 } });
  const dir = await tempDir();
  const { call } = commandLine(dir, gateway.url);
  const args = [await writeManifest(dir, numbered(400)), '--run-id', 'r', '--out', 'out', '--rate', '80'];
  const running = call(run, [...args, ...TASK, '--escalate', 'confidence<0.85', '--json', '--quiet']);
  const now = async () => {
    const { status: exit, stdout } = await call(status, ['r', '--json']);
    return exit === 0 ? (JSON.parse(stdout) as RunStatus) : null;
  };
  let half = await now();
  await until(
    async () => {
      half = await now();
      return (half?.settled ?? 0) >= 200;
    },
    'half of the lines',
    80_000,
  );
  const summary = JSON.parse((await running).stdout) as RunSummary;
  expect(half?.ended_at).toBeNull();
  const { cost_sats: cost, calls } = half?.forecast?.expected ?? {};
  expect(Math.abs((cost?.expected ?? 0) / summary.cost_sats - 1)).toBeLessThan(0.15);
  const made = callsOf(summary.gateway_calls);
  expect(Math.abs((calls?.expected ?? 0) / made - 1)).toBeLessThan(0.15);
  // Without those to come, more than a sixth of the cost and of the calls would be missing.
  expect(summary.escalated?.lines).toBeGreaterThan(100);
}, 90_000);

test('a plan of the run is what it is held to, not the plan of one that has begun', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const { call } = commandLine(dir, gateway.url);
  const args = [await writeManifest(dir, numbered(60)), '--rate', '100', ...TASK];
  expect((await call(planCommand, [...args, '--price', '700'])).status).toBe(0);
  const ran = JSON.parse((await call(run, [...args, '--json', '--quiet'])).stdout) as RunSummary;
  const truth = { by: 'plan', cost_sats: { expected: 60 * 700 } };
  expect(ran.forecast).toMatchObject({ planned: truth, off: { cost_sats: expect.any(Number) } });
  await call(planCommand, [...args, '--price', '1']);
  const again = JSON.parse((await call(run, [...args, '--json', '--quiet'])).stdout) as RunSummary;
  expect(again.forecast?.planned).toMatchObject(truth);
}, 60_000);

test('a time that is none is refused', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const { call } = commandLine(dir, gateway.url);
  const args = [await writeManifest(dir, numbered(2)), ...TASK, '--quiet'];
  const refused = await call(run, [...args, '--finish-by', 'tomorrow']);
  expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('--finish-by') });
});
