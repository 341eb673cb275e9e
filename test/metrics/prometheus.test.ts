import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openEmbeddedRedis } from '../../src/redis/embedded.js';
import type { RunSummary } from '../../src/runs/status.js';
import { outOf, startCli } from '../pipeline/cli.js';
import { line, readOut, sandbox, tempDir, until, writeManifest } from '../pipeline/harness.js';
import { type Prometheus, promtool, startPrometheus } from '../setup/prometheus.js';

const config = (name: string) => fileURLToPath(new URL(`../../config/${name}`, import.meta.url));
const RULES = [config('prometheus/rules.yml'), config('prometheus/alerts.yml')];
const LINES = 300;

interface Query {
  dashboard: string;
  panel: string;
  expression: string;
}

/** Every query of the committed dashboards, its variables filled in as Grafana would. */
async function panelQueries(run: string): Promise<Query[]> {
  const queries: Query[] = [];
  for (const dashboard of ['overview', 'run']) {
    const { panels } = JSON.parse(await readFile(config(`grafana/dashboards/${dashboard}.json`), 'utf8')) as {
      panels: { type: string; title: string; description?: string; targets?: { expr: string }[] }[];
    };
    for (const { type, title, description, targets } of panels) {
      if (type === 'row') continue;
      expect(description, `${title} says what a bad value means`).toMatch(/.{40}/);
      for (const { expr } of targets ?? []) {
        const expression = expr
          .replaceAll('$__rate_interval', '5s')
          .replaceAll('$job', 'asg-ingest')
          .replaceAll('$run', run);
        queries.push({ dashboard, panel: title, expression });
      }
    }
  }
  return queries;
}

/** The processes of one fleet: two that work, and one that produces as long as there is no room. */
async function startFleet(gateway: string, dir: string, prometheus: Prometheus) {
  const targets: string[] = [];
  const start = async (args: string[]) => {
    const process = startCli([...args, '--gateway-url', gateway, '--metrics-port', '0'], { cwd: dir });
    let said = '';
    process.child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => /listening on http:\S+/.test(said), `a port of ${args[0]}`);
    targets.push(/listening on http:\/\/(\S+)/.exec(said)?.[1] ?? '');
    await prometheus.scrape(targets);
    return process;
  };
  await Promise.all([start(['work']), start(['work'])]);
  const workers = [...targets];
  const manifest = await writeManifest(dir, [
    ...Array.from({ length: LINES }, (_, n) => line(n)),
    'nonsense',
    '',
  ]);
  const task = [
    '--question',
    'Which?',
    '--options',
    'cat,dog',
    '--poll-delay',
    '300ms',
    '--poll-max-delay',
    '1s',
  ];
  // Lines are to fail. But a first call may be reset, and a Gateway that had not answered by then would block the run.
  const windows = ['--max-queued', '40', '--retry-for', '300ms'];
  const producing = await start(['produce', manifest, '--out', 'out', '--run-id', 'r', ...task, ...windows]);
  return { workers, producing };
}

test('a real Prometheus over two processes: sums equal the summary, every panel shows data', async () => {
  const gateway = await sandbox({
    rateLimit: 100,
    retryAfter: 'none',
    errorRate: 0.15,
    resetBefore: 0.05,
    settle: { minMs: 100, maxMs: 900 },
  });
  const dir = await tempDir();
  const embedded = await openEmbeddedRedis(path.join(dir, '.asg-ingest'), { log: pino({ level: 'silent' }) });
  const redis = new Redis({ path: embedded.socketPath });
  await redis.config('SET', 'maxmemory', '1gb');
  redis.disconnect();
  const prometheus = await startPrometheus(path.join(dir, 'prometheus'), RULES);
  onTestFinished(async () => {
    await prometheus.close();
    await embedded.close();
  });
  const began = Date.now();
  const { workers } = await startFleet(gateway.url, dir, prometheus);
  const out = async () => (await readOut(outOf(dir)).catch(() => null))?.summary ?? null;
  await until(async () => (await out()) !== null, 'the summary', 60_000);
  const summary = (await out()) as unknown as RunSummary;

  // The last scrape: both processes live on, and both have been asked after the end.
  const ended = Date.now() / 1000 + 1;
  for (const instance of workers)
    await until(
      async () =>
        ((await prometheus.value(`timestamp(asg_ingest_build_info{instance="${instance}"})`)) ?? 0) > ended,
      `a last scrape of ${instance}`,
    );

  const sum = async (name: string) => (await prometheus.value(`sum(asg_ingest_${name})`)) ?? 0;
  expect(summary).toMatchObject({ state: 'completed', lines: LINES + 1 });
  expect(await sum('tasks_settled_total')).toBe(summary.settled);
  expect(await sum('settle_duration_seconds_count')).toBe(summary.settled);
  for (const [code, count] of Object.entries(summary.failures))
    if (code !== 'invalid_json') expect(await sum(`tasks_failed_total{code="${code}"}`), code).toBe(count);
  expect(summary.failures.retries_exhausted).toBeGreaterThan(0);
  for (const [operation, statuses] of Object.entries(summary.gateway_calls))
    for (const [status, count] of Object.entries(statuses))
      expect(
        await sum(`gateway_requests_total{operation="${operation}",status="${status}"}`),
        `${operation} ${status}`,
      ).toBe(count);
  expect(summary.rate_limited).toBeGreaterThan(0);
  expect(await sum('gateway_rate_limited_total')).toBe(summary.rate_limited);
  // The run's record counts whole milliseconds of each wait.
  expect(await sum('gateway_backoff_seconds_total')).toBeCloseTo(summary.backoff_seconds, 0);
  expect(await sum('results_written_total')).toBe(summary.lines);
  expect(await sum('result_parts_total')).toBe(summary.parts.length);
  const max = (name: string) => prometheus.value(`max(asg_ingest_${name})`);
  expect(await max('run_lines{run="r",state="settled"}')).toBe(summary.settled);
  expect(await max('run_cost_sats{run="r"}')).toBe(summary.cost_sats);
  expect(await max('run_gateway_calls{run="r",operation="submit",status="202"}')).toBe(
    summary.gateway_calls.submit?.[202],
  );

  const queries = await panelQueries('r');
  const empty: string[] = [];
  for (const { dashboard, panel, expression } of queries) {
    const series = await prometheus.range(expression, began, Date.now());
    const points = series.flatMap(({ values }) => values).filter(([, value]) => value !== 'NaN');
    if (process.env.TEST_LOG)
      process.stderr.write(`${dashboard} | ${panel} | ${series.length} series, ${points.length} points\n`);
    if (points.length === 0) empty.push(`${dashboard}: ${panel}: ${expression}`);
  }
  expect(empty).toEqual([]);
  const records = queries.map(({ expression }, n) => ({ record: `panel:query${n}`, expr: expression }));
  const asRules = path.join(dir, 'panels.json');
  await writeFile(asRules, JSON.stringify({ groups: [{ name: 'panels', rules: records }] }));
  expect(await promtool(['check', 'rules', asRules])).toContain(`${queries.length} rules found`);

  const plain = await (await fetch(`http://${workers[0]}/metrics`)).text();
  expect(await promtool(['check', 'metrics'], plain)).toBe('');
  const accept = 'application/openmetrics-text; version=1.0.0';
  const open = await fetch(`http://${workers[0]}/metrics`, { headers: { accept } });
  expect(open.headers.get('content-type')).toContain('application/openmetrics-text');
  expect(await open.text()).toMatch(/# EOF\n$/);
}, 120_000);

test('alerts fire when they should and not before; each has its runbook entry', async () => {
  expect(await promtool(['check', 'rules', ...RULES])).toContain('SUCCESS');
  expect(await promtool(['test', 'rules', config('prometheus/tests/alerts_test.yml')])).toContain('SUCCESS');
  const runbook = await readFile(fileURLToPath(new URL('../../docs/operations.md', import.meta.url)), 'utf8');
  const alerts = await readFile(config('prometheus/alerts.yml'), 'utf8');
  const names = [...alerts.matchAll(/alert: (\w+)/g)].map((match) => match[1] ?? '');
  for (const name of names) {
    expect(runbook).toContain(`### ${name}\n`);
    expect(alerts).toContain(`docs/operations.md#${name.toLowerCase()}\n`);
  }
});

test('the committed dashboards are what the script builds', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  await promisify(execFile)(process.execPath, ['--import', 'tsx', 'scripts/dashboards/build.ts', '--check'], {
    cwd: root,
  });
});
