import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { results } from '../../src/cli/commands/results.js';
import { run } from '../../src/cli/commands/run.js';
import { status } from '../../src/cli/commands/status.js';
import type { RunSummary } from '../../src/runs/status.js';
import { callMain } from '../cli/harness.js';
import { findProblems, gatherEvidence } from '../oracle/find-problems.js';
import { uniquePrefix } from '../setup/redis-target.js';
import { answerOf, OPTIONS, QUESTION, SEED } from './answers.js';
import { startCli, TASK } from './cli.js';
import {
  API_KEY,
  boughtTasks,
  numbered,
  readOut,
  sandbox,
  storeFlags,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

const BELOW = 0.85;

/** The lines that the local Gateway is unsure of: two of three labelers agree. */
const unsure = (lines: number) =>
  numbered(lines).flatMap((_each, n) => (answerOf(n + 1, 3).confidence < BELOW ? [n + 1] : []));

const costOf = (lines: number, threshold: number, some = numbered(lines).map((_each, n) => n + 1)) =>
  some.reduce((sum, n) => sum + answerOf(n, threshold).costSats, 0);

async function world(lines: number, options: Parameters<typeof sandbox>[0] = {}) {
  const gateway = await sandbox(options);
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(lines));
  const store = storeFlags({ prefix: uniquePrefix() });
  const args = [
    ...['run', manifest, '--gateway-url', gateway.url, '--out', 'out', '--run-id', 'r', '--json', '--quiet'],
    ...[...TASK, '--escalate', `confidence<${BELOW}`],
  ];
  const asg = (...more: string[]) =>
    callMain([...more, ...store], { run, status, results }, { env: { ASG_API_KEY: API_KEY }, cwd: dir });
  const ingest = (...more: string[]) => asg(...args, ...more);
  const start = (...more: string[]) => startCli([...args, ...more, ...store], { cwd: dir });
  const problems = async (reported: string) => {
    const asked = {
      ...{ runId: 'r', question: QUESTION, options: OPTIONS, threshold: 3, key: 'line', seed: SEED },
      escalateBelow: BELOW,
    };
    const sources = [{ name: null, text: await readFile(manifest, 'utf8') }];
    const known = { asked, sources, allowed: {}, reported };
    return findProblems(await gatherEvidence({ out: path.join(dir, 'out'), gatewayUrl: gateway.url }, known));
  };
  return { gateway, dir, args, asg, ingest, start, problems };
}

test('a line that meets the condition is asked once more; both answers and both costs are told', async () => {
  const { gateway, dir, asg, ingest, problems } = await world(60);
  const { status: exit, stdout, stderr } = await ingest();
  expect([exit, stderr]).toEqual([0, '']);
  const again = unsure(60);
  expect(again.length).toBeGreaterThan(10);
  expect(JSON.parse(stdout) as RunSummary).toMatchObject({
    ...{ state: 'completed', lines: 60, settled: 60, failed: 0 },
    cost_sats: costOf(60, 3) + costOf(60, 5, again),
    escalated: {
      ...{ condition: `confidence<${BELOW}`, lines: again.length, changed: 0, failed: 0, not_asked: 0 },
      cost_sats: costOf(60, 5, again),
    },
  });
  expect(gateway.stats().tasks).toBe(60 + again.length);
  expect(await problems(stdout)).toEqual([]);
  const rows = (await readOut(path.join(dir, 'out'))).results;
  for (const row of rows) {
    const isAgain = again.includes(row.line);
    expect(row).toMatchObject({
      worker_count: isAgain ? 5 : 3,
      escalation: isAgain ? 'same' : null,
      escalated_from: isAgain ? { consensus_threshold: 3, worker_count: 3, agreement_count: 2 } : null,
    });
  }
  expect((await asg('status', 'r')).stdout).toMatch(
    /escalated +\d+ lines asked again \(confidence<0.85\), 0 changed/,
  );
  const csv = (await asg('results', 'r', '--format', 'csv')).stdout;
  expect(csv.split('\n')[0]).toMatch(/,escalation,escalated_from$/);
  expect(csv.match(/,same,/g)).toHaveLength(again.length);
});

test('killed in the middle, again and again, no task is bought twice', async () => {
  const { gateway, ingest, start, problems } = await world(300, { settle: { minMs: 20, maxMs: 200 } });
  const again = unsure(300);
  for (const tasks of [60, 250, 400]) {
    const running = start('--max-in-flight', '60');
    await until(() => gateway.stats().tasks >= tasks, `${tasks} tasks`, 60_000);
    running.kill('SIGKILL');
    await running.exit;
  }
  const { status: exit, stdout } = await ingest();
  expect(exit).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    settled: 300,
    cost_sats: costOf(300, 3) + costOf(300, 5, again),
    escalated: { lines: again.length },
  });
  expect((await boughtTasks(gateway.url)).length).toBe(300 + again.length);
  expect(await problems(stdout)).toEqual([]);
}, 150_000);

test('a second task that fails, or that a limit does not allow: the first answer stands', async () => {
  const { gateway, dir, ingest, problems } = await world(20, { settle: { minMs: 1_000, maxMs: 1_200 } });
  const again = unsure(20);
  const running = ingest('--result-timeout', '4s');
  await until(() => gateway.stats().tasks === 20, 'first tasks');
  gateway.set({ disagreeRate: 1 });
  const { status: exit, stdout } = await running;
  expect(exit).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ settled: 20, failed: 0, cost_sats: costOf(20, 3) },
    escalated: { lines: again.length, changed: 0, failed: again.length, cost_sats: 0 },
  });
  expect(await problems(stdout)).toEqual([]);
  const { results: rows } = await readOut(path.join(dir, 'out'));
  expect(rows.filter((row) => row.escalation === 'failed' && row.worker_count === 3)).toHaveLength(
    again.length,
  );

  gateway.set({ disagreeRate: 0, settle: { minMs: 0, maxMs: 50 } });
  const tight = await ingest('--budget', '22', '--run-id', 's', '--out', 's');
  expect(JSON.parse(tight.stdout)).toMatchObject({
    ...{ state: 'completed', settled: 20 },
    escalated: { lines: 2, not_asked: again.length - 2 },
  });
}, 60_000);

test('--spend holds for second tasks too', async () => {
  const { gateway, ingest } = await world(80, { settle: { minMs: 0, maxMs: 100 } });
  const limit = 40_000;
  const { status: exit, stdout } = await ingest('--spend', String(limit));
  expect(exit).toBe(4);
  const { cost_sats: cost, escalated } = JSON.parse(stdout) as RunSummary;
  expect(cost).toBeLessThanOrEqual(limit);
  expect(escalated?.lines).toBeGreaterThan(0);
  expect(gateway.stats().tasks).toBeGreaterThan(20);
}, 60_000);

test.each(['confidence', 'label<0.7', 'confidence<high', 'confidence~0.7'])('%s: exit 2', async (text) => {
  const { gateway, args, asg } = await world(1);
  const { status: exit, stderr } = await asg(...args.slice(0, -1), text);
  expect([exit, stderr]).toEqual([
    2,
    expect.stringMatching(/--escalate: .* is not a condition like confidence<0\.7/),
  ]);
  expect(gateway.stats().tasks).toBe(0);
});
