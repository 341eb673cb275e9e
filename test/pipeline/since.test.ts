import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { plan } from '../../src/cli/commands/plan.js';
import { results } from '../../src/cli/commands/results.js';
import { retry } from '../../src/cli/commands/retry.js';
import { run } from '../../src/cli/commands/run.js';
import { runs } from '../../src/cli/commands/runs.js';
import { status } from '../../src/cli/commands/status.js';
import type { Plan } from '../../src/plan/plan.js';
import type { RunSummary } from '../../src/runs/status.js';
import { findProblems, gatherEvidence } from '../oracle/find-problems.js';
import { startCli, TASK } from './cli.js';
import { boughtTasks, line, readOut, sandbox, tempDir, until, writeManifest } from './harness.js';
import { commandLine } from './plan-commands.js';

/** Several runs each, on a machine that may be busy. */
vi.setConfig({ testTimeout: 240_000 });

type Line = ReturnType<typeof line>;
const lines = (from: number, to: number): Line[] =>
  Array.from({ length: to - from + 1 }, (_, i) => line(from + i));

/** A folder that grows, a Gateway, and a command line over them. */
async function daily(options: Parameters<typeof sandbox>[0] = {}) {
  const gateway = await sandbox({ seed: 7, ...options });
  const dir = await tempDir();
  const from = path.join(dir, 'in');
  await mkdir(from);
  const { call } = commandLine(dir, gateway.url);
  const files = new Map<string, Line[]>();
  const put = async (name: string, some: Line[]) => {
    files.set(name, some);
    await writeManifest(from, some, name);
  };
  const argsOf = (id: string, ...more: string[]) => [
    ...['in/', '--run-id', id, '--out', `out/${id}`, ...TASK, '--json', '--quiet', ...more],
  ];
  const day = async (id: string, ...more: string[]) => {
    const { status: exit, stdout, stderr } = await call(run, argsOf(id, ...more));
    return { exit, stderr, summary: (stdout === '' ? null : JSON.parse(stdout)) as RunSummary | null };
  };
  const newTasks = async (before: readonly { task_id: string }[]) => {
    const known = new Set(before.map(({ task_id }) => task_id));
    return (await boughtTasks(gateway.url)).filter(({ task_id }) => !known.has(task_id));
  };
  const out = (id: string) => path.join(dir, 'out', id);
  /**
   * The oracle's input for the present folder. Earlier runs that a run builds on are checked with their own evidence.
   */
  const evidence = async (id: string, more: { carry?: boolean; sources?: Map<string, Line[]> } = {}) => {
    const { sources = files, carry = false } = more;
    return gatherEvidence(
      { out: out(id), gatewayUrl: gateway.url },
      {
        asked: {
          runId: id,
          question: 'Which?',
          options: ['cat', 'dog'],
          threshold: 3,
          key: 'line',
          seed: 7,
          carry,
        },
        sources: [...sources].map(([name, some]) => ({
          name: sources.size > 1 ? name : null,
          text: some.map((each) => JSON.stringify(each)).join('\n'),
        })),
        allowed: {},
      },
    );
  };
  return { gateway, dir, call, put, files, day, argsOf, newTasks, out, evidence };
}

/** Day 1 of 60 lines; day 2 has one file more and one line changed. */
async function twoDays(options: Parameters<typeof sandbox>[0] = {}) {
  const world = await daily(options);
  await world.put('a.jsonl', lines(1, 40));
  await world.put('b.jsonl', lines(41, 60));
  const first = await world.day('day1');
  expect(first.summary).toMatchObject({ lines: 60, settled: 60, unchanged: 0, carried: 0, since: null });
  const bought = await boughtTasks(world.gateway.url);
  const firstFiles = new Map(world.files);
  const changed = { ...line(7), data_url: 'https://images.example.org/7-new.jpg' };
  await world.put(
    'a.jsonl',
    lines(1, 40).map((each) => (each.metadata.n === 7 ? changed : each)),
  );
  await world.put('c.jsonl', lines(61, 75));
  return { ...world, bought, firstFiles, changed };
}

test('gold lines are asked in every run, and carried rows have the fields of their run', async () => {
  const world = await daily();
  await world.put('a.jsonl', lines(1, 6));
  await writeManifest(
    world.dir,
    lines(1, 3).map((each) => ({ ...each, gold: 'cat' })),
    'gold.jsonl',
  );
  expect((await world.day('day1')).summary).toMatchObject({ settled: 6 });
  const bought = await boughtTasks(world.gateway.url);
  const gold = ['--gold', 'gold.jsonl', '--escalate', 'confidence<0'];
  const { exit, summary } = await world.day('day2', '--since', 'day1', '--carry', ...gold);
  expect(exit).toBe(0);
  expect(summary).toMatchObject({ lines: 9, settled: 9, carried: 6, gold: { lines: 3, failed: 0 } });
  expect((summary?.gold?.agreed ?? 0) + (summary?.gold?.disagreed ?? 0)).toBe(3);
  expect(await world.newTasks(bought)).toHaveLength(3);
  for (const row of (await readOut(world.out('day2'))).results)
    expect(row).toMatchObject({
      gold: row.source === 'gold' ? 'cat' : null,
      escalation: null,
      escalated_from: null,
    });
});

describe('a folder that grows', () => {
  test('only what is new or changed is bought; the others are counted, and have no row', async () => {
    const world = await twoDays();
    const { day, bought, newTasks, changed, firstFiles, evidence, call, argsOf, out } = world;
    const planned = await call(plan, argsOf('day2', '--since', 'day1'));
    expect(JSON.parse(planned.stdout) as Plan).toMatchObject({ lines: 75, unchanged: 59, tasks: 16 });

    const { exit, summary } = await day('day2', '--since', 'day1');
    expect(exit).toBe(0);
    expect(summary).toMatchObject({
      ...{ state: 'completed', lines: 75, settled: 16, failed: 0, unchanged: 59, carried: 0 },
      since: { run: 'day1', carry: false, out: out('day1') },
    });
    const tasks = await newTasks(bought);
    expect(tasks.map(({ data_url }) => data_url).sort()).toEqual(
      [changed, ...lines(61, 75)].map(({ data_url }) => data_url).sort(),
    );
    const rows = await readOut(out('day2'));
    expect(rows.results.length).toBe(16);
    expect(rows.results.every(({ bought_by }) => bought_by === null)).toBe(true);
    const earlier = [await evidence('day1', { sources: firstFiles })];
    expect(findProblems({ ...(await evidence('day2')), earlier })).toEqual([]);

    // The same command again reports it; without --since it is not the same run.
    expect((await day('day2', '--since', 'day1')).summary).toEqual(summary);
    expect(await day('day2')).toMatchObject({ exit: 2, stderr: expect.stringContaining('--since day1') });
    expect(await day('day2', '--since', 'day1', '--carry')).toMatchObject({ exit: 2, summary: null });
    expect((await newTasks(bought)).length).toBe(16);
    expect((await call(status, ['day2'])).stdout).toMatch(/since +run day1: 59 lines unchanged/);
  });

  test('--carry: the old rows are copied under their new lines, and name the run that bought them', async () => {
    const world = await twoDays();
    const { day, bought, newTasks, firstFiles, evidence, call, out, put } = world;
    // Moved, and with other metadata: what decides the label is the same.
    await put(
      'b.jsonl',
      lines(41, 60)
        .reverse()
        .map((each) => ({ ...each, metadata: { n: -each.metadata.n } })),
    );
    const { exit, summary } = await day('day2', '--since', 'day1', '--carry');
    expect(exit).toBe(0);
    expect(summary).toMatchObject({ lines: 75, settled: 75, failed: 0, unchanged: 0, carried: 59 });
    const before = new Map((await readOut(out('day1'))).results.map((row) => [row.data_url, row]));
    const { results: rows } = await readOut(out('day2'));
    for (const row of rows) {
      const { line: n, source, metadata } = row;
      const old = before.get(row.data_url);
      if (old === undefined) expect(row.bought_by).toBeNull();
      else expect(row).toEqual({ ...old, line: n, source, metadata, bought_by: 'day1' });
    }
    const own = rows.filter(({ bought_by }) => bought_by === null);
    expect(summary?.cost_sats).toBe(own.reduce((sum, { cost_sats }) => sum + (cost_sats ?? 0), 0));
    expect((await newTasks(bought)).length).toBe(16);
    const earlier = [await evidence('day1', { sources: firstFiles })];
    expect(findProblems({ ...(await evidence('day2', { carry: true })), earlier })).toEqual([]);
    const csv = (await call(results, ['day2', '--format', 'csv'])).stdout.split('\n');
    expect(csv[0]).toMatch(/,bought_by,asked$/);
    expect(csv.filter((row) => row.includes(',day1,')).length).toBe(59);
  });

  test('a chain of days: what a day had left out is known by the days before it, pruned or not', async () => {
    const { day, call, put, newTasks, out, gateway, files, firstFiles, evidence } = await twoDays();
    await day('day2', '--since', 'day1');
    const secondFiles = new Map(files);
    await put('d.jsonl', lines(76, 80));
    const bought = await boughtTasks(gateway.url);
    await call(runs, ['--prune']);
    const { summary } = await day('day3', '--since', 'day2', '--carry');
    expect(summary).toMatchObject({ lines: 80, settled: 80, carried: 75 });
    expect((await newTasks(bought)).length).toBe(5);
    const { results: rows } = await readOut(out('day3'));
    const by = (name: string | null) => rows.filter(({ bought_by }) => bought_by === name).length;
    expect([by('day1'), by('day2'), by(null)]).toEqual([59, 16, 5]);
    const earlier = [
      await evidence('day2', { sources: secondFiles }),
      await evidence('day1', { sources: firstFiles }),
    ];
    expect(findProblems({ ...(await evidence('day3', { carry: true })), earlier })).toEqual([]);

    // What was carried is known without the days before; nothing new buys nothing.
    await rm(out('day1'), { recursive: true });
    await rm(out('day2'), { recursive: true });
    const again = await boughtTasks(gateway.url);
    const last = await day('day4', '--since', 'day3', '--carry');
    expect(last.summary).toMatchObject({ lines: 80, settled: 80, carried: 80, cost_sats: 0 });
    expect(last.summary?.gateway_calls).toEqual({});
    expect(await newTasks(again)).toEqual([]);
    expect((await readOut(out('day4'))).results.filter(({ bought_by }) => bought_by === 'day1').length).toBe(
      59,
    );
  });

  test('lines with a question or a threshold of their own, and a run that asks otherwise', async () => {
    const { put, day, newTasks, gateway } = await daily();
    const spec = { question: 'Own?', options: ['yes', 'no'] };
    const own = [line(1, { label_spec: spec }), line(2, { consensus_threshold: 5 }), line(3), line(4)];
    await put('a.jsonl', own);
    await day('day1');
    let bought = await boughtTasks(gateway.url);
    // Members in another order ask the same; another threshold does not.
    const { question, options } = spec;
    await put('a.jsonl', [
      line(1, { label_spec: { options, question } }),
      line(2, { consensus_threshold: 4 }),
      line(3, { label_spec: { question: 'Which?', options: ['cat', 'dog'] } }),
      line(4, { type: 'text_classification' }),
    ]);
    expect((await day('day2', '--since', 'day1')).summary).toMatchObject({ settled: 2, unchanged: 2 });
    expect((await newTasks(bought)).map(({ data_url }) => data_url).sort()).toEqual(
      [line(2), line(4)].map(({ data_url }) => data_url),
    );
    bought = await boughtTasks(gateway.url);
    const other = await day('day3', '--since', 'day1', '--consensus-threshold', '5');
    expect(other.summary).toMatchObject({ unchanged: 0, settled: 4 });
  });

  test('what had failed is tried again', async () => {
    const { put, day, call, out } = await daily();
    await put('a.jsonl', [...lines(1, 10), line(11, { data_url: 'ftp://no' })]);
    expect((await day('day1')).summary).toMatchObject({ settled: 10, failed: 1 });
    const { exit, summary } = await day('day2', '--since', 'day1', '--carry');
    expect(exit).toBe(3);
    expect(summary).toMatchObject({ lines: 11, settled: 10, carried: 10, failed: 1 });
    const rows = await readOut(out('day2'));
    expect(rows.failures.map(({ line: n }) => n)).toEqual([11]);
    expect((await call(retry, ['day2', '--json', '--quiet'])).status).toBe(3);
  });
});

describe('killed in the middle', () => {
  test.each([
    { carry: true, settled: 350, carried: 200, unchanged: 0 },
    { carry: false, settled: 150, carried: 0, unchanged: 200 },
  ])('the same command goes on as it had begun ($carry)', async ({ carry, ...expected }) => {
    const world = await daily({ settle: { minMs: 50, maxMs: 300 } });
    const { put, newTasks, gateway, dir, out, evidence, files, argsOf } = world;
    const cli = (...more: string[]) =>
      startCli(
        ['run', ...argsOf(...(more as [string])), '--gateway-url', gateway.url, '--max-queued', '100'],
        {
          cwd: dir,
        },
      );
    await put('a.jsonl', lines(1, 200));
    expect((await cli('day1').exit).status).toBe(0);
    const bought = await boughtTasks(gateway.url);
    const firstFiles = new Map(files);
    // New lines between the old ones.
    await put(
      'a.jsonl',
      lines(1, 200).flatMap((each, i) =>
        i % 4 === 3 ? [each, ...lines(1_000 + 3 * (i >> 2), 1_002 + 3 * (i >> 2))] : [each],
      ),
    );
    const more = ['--since', 'day1', ...(carry ? ['--carry'] : [])];
    for (const share of [0.2, 0.7]) {
      const killed = cli('day2', ...more);
      await until(() => gateway.stats().tasks >= 200 + share * 150, `${share} of the tasks`, 30_000);
      killed.kill('SIGKILL');
      await killed.exit;
    }
    const { status: exit, stdout } = await cli('day2', ...more).exit;
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ lines: 350, failed: 0, ...expected });
    expect((await newTasks(bought)).length).toBe(150);
    expect((await readOut(out('day2'))).results.length).toBe(carry ? 350 : 150);
    const earlier = [await evidence('day1', { sources: firstFiles })];
    expect(findProblems({ ...(await evidence('day2', { carry })), earlier })).toEqual([]);
  });

  test('and its Redis lost: the parts tell what was carried, and nothing is bought again', async () => {
    const { put, call, argsOf, gateway, dir, newTasks, day } = await daily();
    await put('a.jsonl', lines(1, 60));
    await day('day1');
    await put('a.jsonl', lines(1, 80));
    const bought = await boughtTasks(gateway.url);
    const args = argsOf('day2', '--since', './out/day1', '--carry', '--part-age', '1s');
    const stopped = await call(run, [...args, '--budget', '10']);
    expect(stopped.status).toBe(4);
    const elsewhere = commandLine(dir, gateway.url);
    const { status: exit, stdout } = await elsewhere.call(run, args);
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ lines: 80, settled: 80, carried: 60 });
    expect((await newTasks(bought)).length).toBe(20);
  });
});

describe('with a process that works beside', () => {
  /** Processes of their own, on a Redis that they share; day 1 is done, and the folder has 150 new lines. */
  async function withOtherProcess() {
    const world = await daily({ settle: { minMs: 50, maxMs: 300 } });
    const { gateway, dir, put, files, argsOf } = world;
    const at = ['--gateway-url', gateway.url];
    const start = (command: 'run' | 'produce', id: string, ...more: string[]) => {
      const args = argsOf(id, ...more).filter((each) => command === 'run' || each !== '--quiet');
      return startCli([command, ...args, ...at], { cwd: dir });
    };
    await put('a.jsonl', lines(1, 100));
    expect((await start('run', 'day1').exit).status).toBe(0);
    const [bought, firstFiles] = [await boughtTasks(gateway.url), new Map(files)];
    await put('a.jsonl', [...lines(101, 200), ...lines(1, 100), ...lines(201, 250)]);
    const work = async () => {
      const working = startCli(['work', ...at], { cwd: dir });
      let said = '';
      working.child.stderr?.on('data', (text) => {
        said += text;
      });
      return {
        opened: () => until(() => said.includes('run opened'), 'the run at work', 60_000),
        async stop() {
          working.kill('SIGTERM');
          expect((await working.exit).status).toBe(143);
        },
      };
    };
    const summaryOf = async (id: string) => {
      let summary: Record<string, unknown> | null = null;
      await until(
        async () => {
          summary = (await readOut(world.out(id)).catch(() => null))?.summary ?? null;
          return summary !== null;
        },
        'the summary',
        90_000,
      );
      return summary;
    };
    const problems = async (carry: boolean) => {
      const earlier = [await world.evidence('day1', { sources: firstFiles })];
      return findProblems({ ...(await world.evidence('day2', { carry })), earlier });
    };
    return { ...world, start, work, summaryOf, problems, bought };
  }

  test.each([
    { carry: true, settled: 250, carried: 100, unchanged: 0 },
    { carry: false, settled: 150, carried: 0, unchanged: 100 },
  ])(
    '`run` is killed, `work` takes what is queued, and `run` goes on ($carry)',
    async ({ carry, ...books }) => {
      const { gateway, start, work, problems, newTasks, bought } = await withOtherProcess();
      const more = [
        '--since',
        'day1',
        ...(carry ? ['--carry'] : []),
        '--max-queued',
        '60',
        '--part-age',
        '1s',
      ];
      const worker = await work();
      const killed = start('run', 'day2', ...more);
      await worker.opened();
      await until(() => gateway.stats().tasks >= 120, 'some tasks', 60_000);
      killed.kill('SIGKILL');
      await killed.exit;
      // What was queued is bought by the one that works.
      const { status: exit, stdout, stderr } = await start('run', 'day2', ...more).exit;
      expect(exit, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ lines: 250, failed: 0, ...books });
      expect(await newTasks(bought)).toHaveLength(150);
      expect(await problems(carry)).toEqual([]);
      await worker.stop();
    },
  );

  test.each([
    { carry: true, settled: 250, carried: 100, unchanged: 0 },
    { carry: false, settled: 150, carried: 0, unchanged: 100 },
  ])('`produce --since`, then `work` ($carry)', async ({ carry, ...books }) => {
    const { start, work, summaryOf, problems, newTasks, bought } = await withOtherProcess();
    const produced = await start('produce', 'day2', '--since', 'day1', ...(carry ? ['--carry'] : [])).exit;
    expect(produced.status, produced.stderr).toBe(0);
    expect(JSON.parse(produced.stdout)).toEqual({ run_id: 'day2', lines: 250, produced: true });
    expect(await newTasks(bought)).toEqual([]);
    const worker = await work();
    expect(await summaryOf('day2')).toMatchObject({
      ...{ state: 'completed', lines: 250, failed: 0, since: { run: 'day1', carry } },
      ...books,
    });
    expect(await newTasks(bought)).toHaveLength(150);
    expect(await problems(carry)).toEqual([]);
    await worker.stop();
  });
});

describe('an earlier run that cannot be built on: exit 2, the reason and what to do, nothing sent', () => {
  test('a name that is not known, another place, a part that is missing, a run of the same name', async () => {
    const { day, gateway, out, dir, call } = await twoDays();
    const refused = async (words: RegExp, ...more: string[]) => {
      const before = gateway.stats().tasks;
      const answer = await day('day2', ...more);
      expect(answer).toMatchObject({ exit: 2, summary: null, stderr: expect.stringMatching(words) });
      expect(gateway.stats().tasks).toBe(before);
    };
    await refused(/--since: no run day0 is on record here(.|\n)*`asg-ingest runs`/, '--since', 'day0');
    await refused(/holds no summary\.json/, '--since', './in');
    await refused(/day2 is this run itself/, '--since', 'day2');
    await refused(/--carry: needs --since/, '--carry');
    await refused(/--pilot/, '--since', 'day1', '--pilot', '5');

    const part = (await readOut(out('day1'))).names.find((name) => name.startsWith('results-')) ?? '';
    await rename(path.join(out('day1'), part), path.join(dir, part));
    await refused(/results-day1-00001\.jsonl is missing/, '--since', 'day1');
    await rename(path.join(dir, part), path.join(out('day1'), part));

    // Moved and pruned: its place says which run it is.
    await call(runs, ['--prune']);
    await cp(out('day1'), path.join(dir, 'kept'), { recursive: true });
    await rm(out('day1'), { recursive: true });
    await refused(/no run day1 is on record here/, '--since', 'day1');
    const { summary } = await day('day2', '--since', './kept');
    expect(summary).toMatchObject({
      unchanged: 59,
      settled: 16,
      since: { run: 'day1', out: path.join(dir, 'kept') },
    });
  });

  test('one that goes on, one of another Gateway, rows of an earlier version', async () => {
    const { day, put, out, call } = await daily();
    await put('a.jsonl', lines(1, 20));
    expect((await day('day1', '--budget', '5')).exit).toBe(4);
    expect(await day('day2', '--since', 'day1')).toMatchObject({
      exit: 2,
      stderr: expect.stringMatching(/run day1 is blocked, and has not ended/),
    });
    await day('day1');
    await call(runs, ['--prune']);
    const other = await sandbox();
    const asked = await call(run, ['in/', '--run-id', 'x', '--since', 'day1', ...TASK, '--json', '--quiet'], {
      ASG_BASE_URL: other.url,
    });
    expect(asked).toMatchObject({ status: 2, stderr: expect.stringContaining('was labeled by') });
    const { names } = await readOut(out('day1'));
    const file = path.join(out('day1'), names.find((name) => name.startsWith('results-')) ?? '');
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll(/,"asked":"[^"]*"/g, ''));
    expect(await day('day2', '--since', 'day1')).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('an earlier version'),
    });
  });
});

test('without a run id: a changed manifest names --since, which makes a run of its own', async () => {
  const { call, put, dir } = await daily();
  await put('a.jsonl', lines(1, 20));
  const args = ['in/a.jsonl', ...TASK, '--json', '--quiet'];
  const first = JSON.parse((await call(run, args)).stdout) as RunSummary;
  await put('a.jsonl', lines(1, 25));
  expect(await call(run, args)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(`--since ${first.run_id}`),
  });
  const second = JSON.parse((await call(run, [...args, '--since', first.run_id])).stdout) as RunSummary;
  expect(second).toMatchObject({ lines: 25, settled: 5, unchanged: 20 });
  expect(second.run_id).not.toBe(first.run_id);
  expect((await readOut(path.join(dir, 'out', second.run_id))).results.length).toBe(5);
});
