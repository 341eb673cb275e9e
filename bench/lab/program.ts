/** Programs that are measured: how long they ran, and what they used. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from './lab.js';
import { POLL_MS } from './shared.mjs';

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
/** Another build than this tree's, where one is named: an older one, say, whose figures are to be measured on the same day. */
export const DIST = process.env.BENCH_DIST ?? here('../../dist');
export const MAIN = path.join(DIST, 'cli', 'main.js');
const USAGE = here('usage.mjs');

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
  /** From its start to its end. */
  seconds: number;
  /** Epoch ms. */
  startedAt: number;
  endedAt: number;
  /** Null when it was killed. */
  cpuUs: number | null;
  peakRssBytes: number | null;
}

export interface Program {
  pid: number;
  startedAt: number;
  ended: Promise<Ended>;
  kill(): Promise<void>;
}

export const now = () => performance.timeOrigin + performance.now();
let programs = 0;

/** A program of Node's, in the lab's folder. */
export function start(lab: Pick<Lab, 'dir'>, args: string[], env: NodeJS.ProcessEnv = {}): Program {
  programs += 1;
  const usage = path.join(lab.dir, `usage-${programs}.json`);
  const startedAt = now();
  const child = spawn(process.execPath, ['--import', USAGE, ...args], {
    cwd: lab.dir,
    env: { ...process.env, ASG_API_KEY: 'sk_sandbox_bench', BENCH_USAGE: usage, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  const exited = once(child, 'exit').then(() => now());
  const ended = once(child, 'close').then(async ([status]) => {
    const endedAt = await exited;
    const used = await readFile(usage, 'utf8').then(
      (text) => JSON.parse(text) as { cpu_us: number; peak_rss_bytes: number },
      () => null,
    );
    return {
      status: status as number | null,
      ...said,
      seconds: (endedAt - startedAt) / 1000,
      startedAt,
      endedAt,
      cpuUs: used?.cpu_us ?? null,
      peakRssBytes: used?.peak_rss_bytes ?? null,
    };
  });
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return { pid: child.pid ?? 0, startedAt, ended, kill };
}

/** One of the floors. */
export const startFloor = (lab: Lab, name: string, ...args: (string | number)[]) =>
  start(lab, [here(`../floors/${name}.mjs`), ...args.map(String)]);

/** A command of ours, as it was built. */
export const startOurs = (lab: Lab, args: string[], env?: NodeJS.ProcessEnv) =>
  start(lab, [MAIN, ...args, '--redis-url', lab.redisUrl, '--gateway-url', lab.gatewayUrl], env);

/** What a program used and said, when it ended well. */
export async function succeeded(program: Program): Promise<Ended> {
  const ended = await program.ended;
  if (ended.status !== 0)
    throw new Error(`exit status ${ended.status}\n${ended.stdout}\n${ended.stderr.slice(-2_000)}`);
  return ended;
}

/** What every line of a run shares. */
export const TASK = ['--question', 'Which?', '--options', 'cat,dog,bird'];

/** The arguments of `run` or `produce`: defaults, but for the first poll, which comes as soon as the floors'. */
export const runArgs = (command: 'run' | 'produce', file: string) => [
  ...[command, file, '--run-id', 'bench', '--out', 'out', '--poll-delay', `${POLL_MS}ms`],
  ...(command === 'run' ? ['--json', '--quiet'] : []),
  ...TASK,
];

/** The process as the kernel knows it: resident memory now and at its peak, in bytes; 0 when it is gone. */
export async function memoryOf(pid: number): Promise<{ rss: number; peak: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const bytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) * 1024;
  return { rss: bytes('VmRSS'), peak: bytes('VmHWM') };
}
