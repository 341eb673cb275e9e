import { expect, test } from 'vitest';
import { plan as planCommand } from '../../src/cli/commands/plan.js';
import { run } from '../../src/cli/commands/run.js';
import { callsOf } from '../../src/plan/history.js';
import type { Plan } from '../../src/plan/plan.js';
import type { RunSummary } from '../../src/runs/status.js';
import { TASK } from './cli.js';
import { line, sandbox, tempDir, writeManifest } from './harness.js';
import { commandLine } from './plan-commands.js';

const lines = (from: number, count: number) => Array.from({ length: count }, (_, n) => line(from + n));
const gold = (from: number, count: number) => lines(from, count).map((each) => ({ ...each, gold: 'cat' }));
const AGAIN = ['--escalate', 'confidence<0.85'];

async function world() {
  const gateway = await sandbox({ settle: { minMs: 50, maxMs: 250 } });
  const dir = await tempDir();
  const { call, prefix } = commandLine(dir, gateway.url);
  const json = async <T>(command: typeof run, args: string[]) => {
    const { status, stdout } = await call(command, [...args, ...TASK, '--rate', '300', '--json', '--quiet']);
    expect(status).toBe(0);
    return JSON.parse(stdout) as T;
  };
  const plan = (...args: string[]) => json<Plan>(planCommand, args);
  const ingest = (...args: string[]) => json<RunSummary>(run, args);
  return { gateway, dir, call, prefix, plan, ingest };
}

const off = (range: { expected: number } | null | undefined, truth: number) =>
  Math.abs((range?.expected ?? Number.NaN) / truth - 1);

test('gold lines are tasks of the plan; a bad gold file is told as `run` tells it, and nothing is sent', async () => {
  const { gateway, dir, call, plan, ingest } = await world();
  const manifest = await writeManifest(dir, lines(1, 40));
  const known = await writeManifest(dir, gold(1_001, 10), 'known.jsonl');
  const args = [manifest, '--gold', known, '--price', '700'];
  expect(await plan(manifest, '--price', '700')).toMatchObject({
    ...{ gold_lines: null, tasks: 40, second_tasks: null, cost_sats: { expected: 28_000 } },
  });
  const planned = await plan(...args);
  expect(planned).toMatchObject({ lines: 40, gold_lines: 10, tasks: 50, cost_sats: { expected: 35_000 } });
  const text = await call(planCommand, [...args, ...TASK]);
  expect(text.stdout).toMatch(/gold lines +10\n +tasks +50\n/);

  const cases: [(object | string)[], string[]][] = [
    [[{ ...line(1), gold: 'horse' }], ['--gold', known]],
    [[line(2)], ['--gold', known]],
    [[], ['--gold', known]],
    [[], ['--gold', 'nowhere.jsonl']],
    [[], ['--max-gold-errors', '3']],
  ];
  for (const [content, more] of cases) {
    await writeManifest(dir, content, 'known.jsonl');
    const [asked, ran] = [
      await call(planCommand, [manifest, ...TASK, ...more]),
      await call(run, [manifest, ...TASK, ...more, '--quiet']),
    ];
    expect([asked.status, asked.stdout]).toEqual([2, '']);
    expect([asked.status, asked.stderr]).toEqual([ran.status, ran.stderr]);
  }
  expect(gateway.stats().tasks).toBe(0);

  // The same run as the command without `plan` makes; what of it has ended is no task of it any more.
  await writeManifest(dir, gold(1_001, 10), 'known.jsonl');
  expect((await ingest(...args)).run_id).toBe(planned.run_id);
  expect(await plan(...args)).toMatchObject({ already_ended: 40, gold_lines: 10, tasks: 0 });
  const lost = commandLine(dir, gateway.url);
  const again = await lost.call(planCommand, [...args, ...TASK, '--json', '--quiet']);
  expect(JSON.parse(again.stdout)).toMatchObject({ already_ended: 40, tasks: 0 });
}, 60_000);

test('second tasks: unknown at first, then by the confidences of past runs, then by those that asked again', async () => {
  const { dir, call, plan, ingest } = await world();
  const [first, second, third] = [
    await writeManifest(dir, lines(1, 300), 'first.jsonl'),
    await writeManifest(dir, lines(1_001, 300), 'second.jsonl'),
    await writeManifest(dir, lines(2_001, 300), 'third.jsonl'),
  ];
  const known = await writeManifest(dir, gold(5_001, 30), 'known.jsonl');
  const nothing = { share: null, source: null, tasks: null, cost_sats: null };
  const unknown = await plan(first, ...AGAIN, '--price', '700');
  expect(unknown.second_tasks).toEqual({ condition: 'confidence<0.85', ...nothing });
  expect(unknown).toMatchObject({ tasks: 300, cost_sats: { expected: 210_000 } });
  expect(unknown.remarks.join('\n')).toContain('second tasks are not counted');
  const text = await call(planCommand, [first, ...TASK, ...AGAIN]);
  expect(text.stdout).toMatch(/second tasks +unknown: second tasks are not counted/);
  expect((await plan(first, ...AGAIN, '--consensus-threshold', '10')).second_tasks).toMatchObject({
    ...{ source: 'highest', tasks: { expected: 0 } },
  });

  await ingest(first);
  const guessed = await plan(second, '--gold', known, ...AGAIN);
  expect(guessed).toMatchObject({ tasks: 330, second_tasks: { source: 'confidences' } });
  // Agreement is counted nowhere: only a run that asked again tells.
  expect((await plan(second, '--escalate', 'agreement<0.8')).second_tasks).toMatchObject(nothing);

  const held = async (planned: Plan, ...args: string[]) => {
    const actual = await ingest(...args);
    expect(off(planned.second_tasks?.tasks, actual.escalated?.lines ?? 0)).toBeLessThan(0.25);
    expect(off(planned.second_tasks?.cost_sats, actual.escalated?.cost_sats ?? 0)).toBeLessThan(0.25);
    expect(off(planned.cost_sats, actual.cost_sats)).toBeLessThan(0.15);
    expect(off(planned.calls, callsOf(actual.gateway_calls))).toBeLessThan(0.15);
  };
  await held(guessed, second, '--gold', known, ...AGAIN);
  const told = await plan(third, ...AGAIN);
  expect(told).toMatchObject({ tasks: 300, second_tasks: { source: 'runs' } });
  await held(told, third, ...AGAIN);
  expect((await call(planCommand, [first, ...TASK, ...AGAIN])).stdout).toMatch(
    /second tasks +[\d,]+ \([\d,]+ to [\d,]+\), [\d.]+% .*of the lines \(from past runs\)/,
  );
}, 90_000);
