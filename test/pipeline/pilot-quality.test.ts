import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/cli/commands/run.js';
import { callsOf } from '../../src/plan/history.js';
import type { PilotReport } from '../../src/plan/pilot/report.js';
import type { RunSummary } from '../../src/runs/status.js';
import { goldLine } from './answers.js';
import { TASK } from './cli.js';
import { boughtTasks, line, readOut, sandbox, tempDir, writeManifest } from './harness.js';
import { commandLine } from './plan-commands.js';

type Answer = RunSummary & { pilot: PilotReport };

/** Every fifth line is known by another label than it will be given. */
const gold = (n: number) => goldLine(n, n % 5 === 0);

test.each([1, 2])(
  'a pilot of %i file(s) asks the gold lines too; the run of all buys neither again, and ends as forecast',
  async (files) => {
    const gateway = await sandbox({ settle: { minMs: 50, maxMs: 200 } });
    const dir = await tempDir();
    await mkdir(path.join(dir, 'in'));
    for (let n = 0; n < files; n += 1)
      await writeManifest(
        path.join(dir, 'in'),
        Array.from({ length: 400 / files }, (_, i) => line(1_000 * n + i)),
        `${n}.jsonl`,
      );
    const known = await writeManifest(
      dir,
      Array.from({ length: 40 }, (_, n) => gold(9_000 + n)),
      'known.jsonl',
    );
    const { call } = commandLine(dir, gateway.url);
    const args = [
      ...['in/', '--out', 'out', '--rate', '300', ...TASK, '--gold', known],
      ...['--escalate', 'confidence<0.85', '--quiet'],
    ];
    const json = async (...more: string[]) => {
      const { status, stdout } = await call(run, [...args, '--json', ...more]);
      expect(status).toBe(0);
      return JSON.parse(stdout) as Answer;
    };
    const { pilot, ...summary } = await json('--pilot', '100');
    expect(summary).toMatchObject({
      ...{ lines: 140, settled: 140 },
      gold: { lines: 40, agreed: 32, disagreed: 8, share: 0.8 },
    });
    const rows = (await readOut(path.join(dir, 'out-pilot-100'))).results;
    expect(rows.filter((row) => row.source === 'gold')).toHaveLength(40);
    expect(pilot).toMatchObject({
      ...{ lines: 100, manifest_lines: 400 },
      rest: { lines: 300, tasks: { expected: 300 }, second_tasks: { source: 'runs' } },
    });
    const bought = await boughtTasks(gateway.url);
    expect(bought).toHaveLength(140 + (summary.escalated?.lines ?? 0));

    const text = await call(run, [...args, '--pilot', '100']);
    expect(text.stdout).toMatch(/gold +32 of 40 agreed \(80%\)/);
    expect(text.stdout).toMatch(/tasks +300.*\n +second tasks +\d+ .*of the lines \(from past runs\)/);

    const all = await json();
    expect(all).toMatchObject({
      ...{ run_id: pilot.of, lines: 440, settled: 440 },
      gold: summary.gold,
      forecast: { planned: { by: 'pilot' } },
    });
    const tasks = await boughtTasks(gateway.url);
    expect(tasks).toHaveLength(440 + (all.escalated?.lines ?? 0));
    const off = (range: { expected: number } | null | undefined, truth: number) =>
      Math.abs((range?.expected ?? Number.NaN) / truth - 1);
    expect(off(pilot.rest.cost_sats, all.cost_sats - summary.cost_sats)).toBeLessThan(0.2);
    expect(off(pilot.rest.calls, callsOf(all.gateway_calls))).toBeLessThan(0.2);
    expect(off(all.forecast?.planned?.cost_sats, all.cost_sats)).toBeLessThan(0.2);
  },
  90_000,
);
