import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { results } from '../../src/cli/commands/results.js';
import { run } from '../../src/cli/commands/run.js';
import { status } from '../../src/cli/commands/status.js';
import { tune } from '../../src/cli/commands/tune.js';
import type { RunSummary } from '../../src/runs/status.js';
import { callMain } from '../cli/harness.js';
import { findProblems, gatherEvidence } from '../oracle/find-problems.js';
import { uniquePrefix } from '../setup/redis-target.js';
import { goldLine, OPTIONS, QUESTION, SEED } from './answers.js';
import { startCli, TASK } from './cli.js';
import {
  API_KEY,
  boughtTasks,
  line,
  numbered,
  readOut,
  type SandboxTask,
  sandbox,
  storeFlags,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

/** Gold lines 1001 …; those of `wrong` are known by another label than they will be given. */
const goldLines = (count: number, wrong: (n: number) => boolean = () => false) =>
  Array.from({ length: count }, (_, n) => goldLine(1_001 + n, wrong(1_001 + n)));

const isGold = ({ data_url }: SandboxTask) => Number(/(\d+)\.jpg$/.exec(data_url)?.[1]) > 1_000;

async function world(lines: number, gold: object[], options: Parameters<typeof sandbox>[0] = {}) {
  const gateway = await sandbox(options);
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(lines));
  const file = await writeManifest(dir, gold, 'known.jsonl');
  const args = [
    ...['run', manifest, '--gateway-url', gateway.url, '--out', 'out', '--run-id', 'r', '--json', '--quiet'],
    ...[...TASK, '--gold', file],
  ];
  const store = storeFlags({ prefix: uniquePrefix() });
  const asg = (...more: string[]) =>
    callMain(
      [...more, ...store],
      { run, status, tune, results },
      { env: { ASG_API_KEY: API_KEY }, cwd: dir },
    );
  /** As a process of its own. */
  const start = (...more: string[]) => startCli([...args, ...more, ...store], { cwd: dir });
  const ingest = (...more: string[]) => asg(...args, ...more);
  const problems = async (reported?: string) => {
    const sources = [
      { name: null, text: await readFile(manifest, 'utf8') },
      { name: 'gold', text: await readFile(file, 'utf8'), gold: true as const },
    ];
    const asked = { runId: 'r', question: QUESTION, options: OPTIONS, threshold: 3, key: 'line', seed: SEED };
    const known = { asked, sources, allowed: {}, ...(reported === undefined ? {} : { reported }) };
    return findProblems(await gatherEvidence({ out: path.join(dir, 'out'), gatewayUrl: gateway.url }, known));
  };
  return { gateway, dir, args, asg, ingest, start, problems };
}

test('gold lines are spread among the others, marked in their rows, and their agreement is told', async () => {
  const gold = goldLines(30, (n) => n % 10 === 0);
  const { gateway, dir, asg, ingest, problems } = await world(600, gold);
  const { status, stdout, stderr } = await ingest();
  expect([status, stderr]).toEqual([0, '']);
  const summary = JSON.parse(stdout) as RunSummary;
  expect(summary).toMatchObject({
    ...{ state: 'completed', lines: 630, settled: 630, failed: 0 },
    gold: { lines: 30, agreed: 27, disagreed: 3, failed: 0, share: 0.9 },
  });
  expect(await problems(stdout)).toEqual([]);
  const { results } = await readOut(path.join(dir, 'out'));
  const marked = results.filter((row) => row.gold !== null);
  expect(marked.every((row) => row.source === 'gold')).toBe(true);
  expect(
    results
      .filter((row) => row.gold === null)
      .map((row) => row.line)
      .sort((a, b) => a - b),
  ).toEqual(Array.from({ length: 600 }, (_, n) => n + 1));
  // In the order in which they were bought: a third of them in each third, about.
  const bought = await boughtTasks(gateway.url);
  const thirds = [0, 1, 2].map((n) => bought.slice(n * 210, (n + 1) * 210).filter(isGold).length);
  for (const some of thirds) expect(some).toBeGreaterThanOrEqual(5);
  const told = await asg('status', 'r');
  expect(told.stdout).toContain('gold            27 of 30 agreed (90%)');
  const csv = await asg('results', 'r', '--format', 'csv');
  expect(csv.stdout.split('\n')[0]).toMatch(/,gold$/);
});

test('too many gold errors block the run; `tune` and the same command go on', async () => {
  const gold = goldLines(40, (n) => n % 2 === 0);
  const { gateway, asg, ingest, problems } = await world(400, gold, { settle: { minMs: 0, maxMs: 20 } });
  const blocked = await ingest('--max-gold-errors', '25%', '--max-in-flight', '20');
  expect(blocked.status).toBe(4);
  expect(blocked.stderr).toMatch(/blocked \(gold\): \d+ of \d+ gold lines have another label.*tune r/);
  const { gold: soFar } = JSON.parse(blocked.stdout) as RunSummary;
  expect((soFar?.agreed ?? 0) + (soFar?.disagreed ?? 0)).toBeGreaterThanOrEqual(20);
  expect(gateway.stats().tasks).toBeLessThan(440);
  expect((await ingest('--max-gold-errors', '25%')).status).toBe(4);
  // Half are wrong in the end; of the first twenty answers more may be.
  const tuned = await asg('tune', 'r', '--max-gold-errors', '90%');
  expect(tuned.stdout).toMatch(/max-gold-errors\s*25% → 90%[\s\S]*goes on/);
  const { status, stdout } = await ingest('--max-gold-errors', '25%');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ lines: 440, gold: { agreed: 20, disagreed: 20, share: 0.5 } });
  expect(await problems(stdout)).toEqual([]);
}, 90_000);

test('killed in the middle, again and again, no line is bought twice and all gold lines are counted', async () => {
  const gold = goldLines(60, (n) => n % 3 === 0);
  const { gateway, ingest, start, problems } = await world(900, gold, {
    settle: { minMs: 20, maxMs: 200 },
  });
  for (const tasks of [100, 400, 700]) {
    const run = start('--max-queued', '100');
    await until(() => gateway.stats().tasks >= tasks, `${tasks} tasks`, 60_000);
    run.kill('SIGKILL');
    await run.exit;
  }
  const { status, stdout } = await ingest('--max-queued', '100');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ lines: 960, settled: 960 },
    gold: { lines: 60, agreed: 40, disagreed: 20, failed: 0 },
  });
  const bought = await boughtTasks(gateway.url);
  expect(bought.filter(isGold).length).toBe(60);
  expect(bought.length).toBe(960);
  expect(await problems(stdout)).toEqual([]);
}, 120_000);

test('a bad gold file: exit 2, its line named, and nothing sent', async () => {
  const [good = {}] = goldLines(1);
  const { gateway, dir, args, asg, ingest } = await world(3, [good]);
  const cases: [(object | string)[], RegExp][] = [
    [[good, '', line(2)], /known\.jsonl, line 3: gold: must be the label that is known/],
    [[good, { ...good, gold: 'horse' }], /line 2: gold: "horse" is none of the options \(cat, dog\)/],
    [[{ gold: 'cat' }], /line 1: data_url: is missing/],
    [['nonsense'], /line 1: .*JSON/],
    [['', ''], /has no line/],
  ];
  for (const [lines, says] of cases) {
    await writeManifest(dir, lines, 'known.jsonl');
    const { status, stderr } = await ingest();
    expect([status, stderr]).toEqual([2, expect.stringMatching(says)]);
    expect(stderr).toContain('nothing was sent');
  }
  const alone = await asg(...args.slice(0, args.indexOf('--gold')), '--max-gold-errors', '3');
  expect([alone.status, alone.stderr]).toEqual([
    2,
    expect.stringContaining('--max-gold-errors: needs --gold'),
  ]);
  expect(gateway.stats().tasks).toBe(0);

  // What is known is part of the run: other lines are another run.
  await writeManifest(dir, [good], 'known.jsonl');
  expect((await ingest()).status).toBe(0);
  await writeManifest(dir, goldLines(2), 'known.jsonl');
  const other = await ingest();
  expect([other.status, other.stderr]).toEqual([
    2,
    expect.stringContaining('on record with other gold lines'),
  ]);
});
