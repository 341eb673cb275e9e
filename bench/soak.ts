/**
 * A run under everything at once: errors, resets, 429s, outages, a quota that ends, pauses, `kill -9` of its producer,
 * its workers and its Redis. The Gateway's record is checked: each line ended once, and was bought once.
 *   npm run bench:soak -- [runs] [lines] [first seed]
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Sandbox, type SandboxStats, startSandbox } from '../src/sandbox/index.js';
import { randomFrom } from '../src/sandbox/random.js';
import { cleanUp, cli, dir, manifest, round, TASK } from './harness.js';

const WORKERS = 3;
const CHAOS_MS = 60_000;
const STUCK_MS = 90_000;

type Random = () => number;
const between = (random: Random, least: number, most: number) => least + random() * (most - least);

const FAULTS = { errorRate: 0.03, resetBefore: 0.02, resetAfter: 0.02 };

async function soak(file: string, lines: number, seed: number): Promise<boolean> {
  const random = randomFrom(`soak ${seed}`);
  const gateway = await startSandbox({
    port: 0,
    seed,
    settle: { medianMs: 1_000, p99Ms: 8_000 },
    latency: { minMs: 0, maxMs: 40 },
    rateLimit: Math.round(between(random, 150, 600)),
    rateLimitKind: (['bucket', 'fixed', 'sliding'] as const)[Math.floor(random() * 3)] ?? 'bucket',
    retryAfter: random() < 0.5 ? 'seconds' : 'none',
    ...FAULTS,
  });
  const [run, out] = [`soak-${seed}`, `out-${seed}`];
  const target = ['--gateway-url', gateway.url, '--log-level', 'error'];
  // Small windows, so that their limits are met.
  const windows = ['--max-in-flight', String(Math.round(between(random, 20, 1_000))), '--max-queued', '500'];
  const polls = ['--poll-delay', '500ms', '--poll-max-delay', '2s'];
  const worker = () =>
    cli(
      'work',
      ...target,
      '--metrics-port',
      '0',
      '--concurrency',
      String(Math.round(between(random, 5, 60))),
    );
  const producer = () =>
    cli('produce', file, ...target, '--run-id', run, '--out', out, ...TASK, ...windows, ...polls);
  const starts = [producer, ...Array.from({ length: WORKERS }, () => worker)];
  const processes = starts.map((start) => start());
  const killOne = () => {
    const at = Math.floor(random() * starts.length);
    processes[at]?.child.kill('SIGKILL');
    processes[at] = (starts[at] ?? worker)();
  };

  const began = performance.now();
  const ended = () => existsSync(path.join(dir, out, 'summary.json'));
  const did: Record<string, number> = {};
  while (!ended() && performance.now() - began < CHAOS_MS) {
    await sleep(between(random, 300, 3_000));
    const what = await trouble(random, gateway, run, killOne);
    did[what] = (did[what] ?? 0) + 1;
  }
  gateway.set(FAULTS);
  await cli('resume', run).exit;
  await noProgress(() => gateway.stats().calls, ended);
  const seconds = round((performance.now() - began) / 1000);

  const { stdout: status } = await cli('status', run, '--json').exit;
  const { settled, failed, state } = JSON.parse(status) as { settled: number; failed: number; state: string };
  const bought = gateway.stats().tasks;
  const rows = await rowsOf(path.join(dir, out));
  const ok =
    state === 'completed' &&
    settled === lines &&
    bought === lines &&
    rows.length === lines &&
    new Set(rows).size === lines;
  console.log(
    JSON.stringify({ seed, ok, seconds, state, settled, failed, bought, rows: rows.length, windows, did }),
  );
  if (!ok) console.log(status, JSON.stringify(gateway.stats()));
  for (const { child } of processes) child.kill();
  await Promise.all(processes.map(({ exit }) => exit));
  await gateway.close();
  return ok;
}

/** Resolves when the run has ended, or when no call has been made for long. */
async function noProgress(calls: () => SandboxStats['calls'], ended: () => boolean): Promise<void> {
  let [last, since] = ['', 0];
  while (!ended()) {
    const now = JSON.stringify(calls());
    if (now !== last) [last, since] = [now, performance.now()];
    if (performance.now() - since > STUCK_MS) return;
    await sleep(200);
  }
}

async function trouble(random: Random, gateway: Sandbox, run: string, killOne: () => void): Promise<string> {
  const chance = random();
  if (chance < 0.1) {
    const pids = await readFile(path.join(dir, '.asg-ingest', 'redis', 'guard.pid'), 'utf8').catch(() => '');
    const server = Number(pids.trim().split(' ')[1]);
    if (server > 0) process.kill(server, 'SIGKILL');
    return 'redis';
  }
  if (chance < 0.5) {
    killOne();
    return 'kill';
  }
  if (chance < 0.7) {
    await cli('pause', run).exit;
    await sleep(between(random, 0, 1_500));
    await cli('resume', run).exit;
    return 'pause';
  }
  if (chance < 0.78) {
    gateway.set({ quota: gateway.stats().tasks });
    await sleep(between(random, 500, 3_000));
    gateway.set({ quota: 10_000_000 });
    await cli('resume', run).exit;
    return 'quota';
  }
  if (chance < 0.9) {
    gateway.set({ errorRate: 1 });
    await sleep(between(random, 500, 8_000));
    gateway.set(FAULTS);
    return 'outage';
  }
  gateway.set({ rateLimit: Math.round(between(random, 50, 800)) });
  return 'limit';
}

/** The line numbers of all rows in parts. */
async function rowsOf(folder: string): Promise<number[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^(results|failures)-/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8')));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter(Boolean)
      .map((row) => (JSON.parse(row) as { line: number }).line),
  );
}

const [runs = '3', lines = '5000', first = '1'] = process.argv.slice(2);
try {
  const file = await manifest(Number(lines));
  for (let n = 0; n < Number(runs); n += 1)
    if (!(await soak(file, Number(lines), Number(first) + n))) process.exitCode = 1;
} finally {
  await cleanUp();
}
