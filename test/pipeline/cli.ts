import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { API_KEY } from './harness.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What is asked, and polls that are soon. */
export const TASK = [
  ...['--question', 'Which?', '--options', 'cat,dog'],
  ...['--poll-delay', '50ms', '--poll-max-delay', '300ms'],
];

export interface Exit {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** `asg-ingest` as a process of its own. Killed when the test ends, if it still is. */
interface CliOptions {
  cwd: string;
  env?: Record<string, string>;
  /** Standard input is the test's to write. */
  piped?: boolean;
}

export function startCli(args: string[], options: CliOptions) {
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ASG_API_KEY: API_KEY, ...options.env },
    stdio: [options.piped ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const exit = once(child, 'close').then(([status]): Exit => ({ status, stdout, stderr }));
  onTestFinished(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await exit;
  });
  return { child, exit, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}

export const cli = (args: string[], options: CliOptions): Promise<Exit> => startCli(args, options).exit;

export const outOf = (dir: string) => path.join(dir, 'out');
