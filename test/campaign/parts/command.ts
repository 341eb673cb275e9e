import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export interface Exit {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  /** The end of what it said, progress left out. */
  said: string[];
}

export interface Started {
  readonly pid: number | undefined;
  kill(signal: NodeJS.Signals): void;
  /** Whether somebody here has sent it a signal that ends it. */
  readonly wasKilled: boolean;
  running(): boolean;
  exit: Promise<Exit>;
}

export interface CommandPlace {
  cwd: string;
  env: Record<string, string>;
  /** Each line of progress as `run --json` shows it. */
  onProgress?: (progress: { settled: number; failed: number; state: string }) => void;
}

const ENDING: NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT'];
const SAID = 20;

/** A command of the built package as a process of its own; what it prints is kept in `<name>.log` in its folder. */
export function startCommand(name: string, args: string[], { cwd, env, onProgress }: CommandPlace): Started {
  const log = createWriteStream(path.join(cwd, `${name}.log`), { flags: 'a' });
  log.write(`--- asg-ingest ${args.join(' ')}\n`);
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  const said: string[] = [];
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  if (child.stderr)
    createInterface(child.stderr).on('line', (line) => {
      const progress = line.startsWith('{"event":"progress"') ? JSON.parse(line) : null;
      if (progress !== null) return onProgress?.(progress);
      log.write(`${line}\n`);
      said.push(line);
      if (said.length > SAID) said.shift();
    });
  let wasKilled = false;
  return {
    pid: child.pid,
    get wasKilled() {
      return wasKilled;
    },
    running: () => child.exitCode === null && child.signalCode === null,
    kill(signal) {
      if (ENDING.includes(signal)) wasKilled = true;
      child.kill(signal);
    },
    exit: once(child, 'close').then(([status, signal]): Exit => {
      log.end(`--- ${name} ended: ${status ?? signal}\n`);
      return { status, signal, stdout, said };
    }),
  };
}
