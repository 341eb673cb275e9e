import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { chosenFaults } from './faults/index.js';
import type { FindingKind } from './findings.js';
import { buildClock } from './parts/clock.js';
import { makePlan } from './plan.js';
import { newReport, type Report } from './report.js';
import { runRound } from './round.js';

export interface CampaignOptions {
  seed: string;
  /** No round is begun after so many. */
  minutes: number;
  /** No round is begun after so many faults. */
  faults?: number | undefined;
  /** Rounds at once. Default 1. */
  parallel?: number | undefined;
  /** Only this round, counted from 1. */
  round?: number | undefined;
  /** Beginnings of names of faults. */
  only?: string[] | undefined;
  skip?: string[] | undefined;
  /** Kinds that are known and not reported. */
  known?: FindingKind[] | undefined;
  /** Steps of faults in a round, at most. Default 24. */
  steps?: number | undefined;
  /** Lines in a round: least and most. Default 500 and 3,000. */
  lines?: [number, number] | undefined;
  /** Default 60,000. */
  hungMs?: number | undefined;
  log?: ((text: string) => void) | undefined;
  /** Ends it as it stands; the report is of what was checked by then. */
  signal?: AbortSignal | undefined;
}

/** Rounds of runs, with faults at random, each checked from outside. The same seed plans the same rounds. */
export async function runCampaign(options: CampaignOptions): Promise<Report> {
  const { seed, minutes, only, skip, known = [], hungMs = 60_000, log = () => undefined } = options;
  const [minLines, maxLines] = options.lines ?? [500, 3_000];
  const clock = await buildClock();
  if (clock === null) log('no C compiler: no clock is set');
  const faults = chosenFaults({ only, skip, clock: clock !== null });
  const deadline = Date.now() + minutes * 60_000;
  const home = await mkdtemp(path.join(os.tmpdir(), 'asg-campaign-'));
  const { add, report } = newReport(seed);
  let next = options.round ?? 1;
  const over = () =>
    options.signal?.aborted === true ||
    options.round !== undefined ||
    Date.now() > deadline ||
    report().faults >= (options.faults ?? Number.POSITIVE_INFINITY);

  async function oneRound(number: number): Promise<void> {
    const plan = makePlan(`${seed}/${number}`, faults, { minLines, maxLines, steps: options.steps ?? 24 });
    const dir = path.join(home, `round-${number}`);
    const say = (text: string) => log(`${number}: ${text}`);
    say(`${plan.lines} lines, in ${dir}`);
    const clockLibrary = clock?.library ?? null;
    const findings = await runRound(dir, plan, {
      ...{ hungMs, clockLibrary, deadline, log: say },
      signal: options.signal,
    });
    findings.list = findings.list.filter(({ kind }) => !known.includes(kind));
    add(findings, plan.lines);
    for (const { kind, count, message } of findings.list) say(`! ${kind} × ${count}: ${message}`);
    if (findings.list.length === 0) await rm(dir, { recursive: true, force: true });
  }
  async function rounds(): Promise<void> {
    do {
      next += 1;
      await oneRound(next - 1);
    } while (!over());
  }
  await Promise.all(Array.from({ length: options.parallel ?? 1 }, rounds));
  await clock?.remove();
  if (report().findings.length === 0) await rm(home, { recursive: true, force: true });
  return report();
}
