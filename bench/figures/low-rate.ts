/**
 * At a low rate, with several processes: does each get its share, and does a line whose submission is refused hold others up?
 * Half of the measure has no faults; in the other each tenth line is answered 503 three times, so that it backs off. The longest
 * time from submission to label of the lines that were not refused is to be alike in both.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/setup/ports.js';
import { inLab, manifestOf } from '../lab/lab.js';
import { runArgs, startOurs, succeeded } from '../lab/program.js';

const PROCESSES = 4;
const CALLS_PER_S = 5;
const LIMIT_MS = 120_000;
const CHECK_EVERY_MS = 250;

export interface LowRate {
  calls_per_s: number;
  /** Calls of the process that made fewest, and most, over an even share. */
  least_share: number;
  most_share: number;
  longest_wait_s: number;
  /** The same where each tenth line backs off. */
  longest_wait_beside_backoff_s: number;
}

export async function lowRate(lines: number): Promise<LowRate> {
  const calm = await measure(lines, 0);
  const troubled = await measure(lines, 10);
  return {
    calls_per_s: calm.callsPerS,
    least_share: Math.min(...calm.shares),
    most_share: Math.max(...calm.shares),
    longest_wait_s: calm.longestWaitS,
    longest_wait_beside_backoff_s: troubled.longestWaitS,
  };
}

async function measure(lines: number, troubleEvery: number) {
  const { file } = await manifestOf(lines);
  return await inLab({ settleMs: 500, log: true, troubleEvery }, async (lab) => {
    const args = [...runArgs('run', file), '--rate', `${CALLS_PER_S}`];
    args[args.indexOf('--poll-delay') + 1] = '1s';
    const ports = await Promise.all(Array.from({ length: PROCESSES }, freePort));
    const programs = ports.map((port) => startOurs(lab, [...args, '--metrics-port', `${port}`]));
    let over = false;
    const ends = Promise.all(programs.map(succeeded)).finally(() => {
      over = true;
    });
    // The counters go with their process: what they last said counts, from when all of them were up.
    const calls: (number | null)[] = ports.map(() => null);
    let atFirst: number[] | null = null;
    const began = performance.now();
    while (!over && performance.now() - began < LIMIT_MS) {
      await Promise.all(
        ports.map(async (port, at) => {
          calls[at] = (await callsOf(port)) ?? calls[at] ?? null;
        }),
      );
      if (atFirst === null && calls.every((n) => n !== null)) atFirst = calls.map((n) => n ?? 0);
      await sleep(CHECK_EVERY_MS);
    }
    if (!over) {
      await Promise.all(programs.map((program) => program.kill()));
      await ends.catch(() => undefined);
      throw new Error('the run at a low rate took too long');
    }
    await ends;
    const tasks = await lab.tasks();
    const { first_submission_at: first, last_label_at: last } = await lab.stats();
    const shared = calls.map((n, at) => (n ?? 0) - (atFirst?.[at] ?? 0));
    const all = shared.reduce((sum, n) => sum + n, 0);
    return {
      callsPerS: calls.reduce((sum: number, n) => sum + (n ?? 0), 0) / (((last ?? 0) - (first ?? 0)) / 1000),
      shares: shared.map((n) => n / (all / PROCESSES)),
      longestWaitS: Math.max(
        ...tasks.filter((task) => !task.refused).map(({ at, labelAt }) => ((labelAt ?? 0) - at) / 1000),
      ),
    };
  });
}

/** Gateway calls that the process behind a metrics port has made; null while it does not answer. */
async function callsOf(port: number): Promise<number | null> {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
    (answer) => answer.text(),
    () => null,
  );
  if (text === null) return null;
  const values = text.matchAll(
    /^asg_ingest_gateway_requests_total\{[^}]*operation="(?:submit|result)"[^}]*\} (\S+)$/gm,
  );
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}
