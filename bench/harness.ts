/** What the benches of whole commands share: the built package's commands in a folder that goes when they end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SandboxStats } from '../src/sandbox/index.js';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
export const TASK = ['--question', 'Which?', '--options', 'cat,dog,bird'];

export const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-bench-'));
export const redisSocket = path.join(dir, '.asg-ingest', 'redis', 'redis.sock');
const started: ChildProcess[] = [];

/** A command of the built package, running in the bench's folder. */
export function cli(...args: string[]) {
  const env = { ...process.env, ASG_API_KEY: 'sk_sandbox_bench' };
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: dir,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  started.push(child);
  return {
    child,
    exit: once(child, 'close').then(([status]) => ({ status: status as number | null, stdout })),
  };
}

/** Ends whatever still runs, and the folder. */
export async function cleanUp(): Promise<void> {
  const exits = started
    .filter((child) => child.exitCode === null && child.signalCode === null && child.kill('SIGKILL'))
    .map((child) => once(child, 'exit'));
  await Promise.all(exits);
  // An embedded Redis ends just after its last user, and may write to its folder until then.
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
}

export async function manifest(lines: number): Promise<string> {
  const file = path.join(dir, `manifest-${lines}.jsonl`);
  const out = createWriteStream(file);
  for (let n = 1; n <= lines; n += 1) {
    const line = {
      data_url: `https://images.example.org/items/${n}.jpg`,
      metadata: { sku: `SKU-${n}`, shelf: n % 97 },
    };
    if (!out.write(`${JSON.stringify(line)}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return file;
}

/** A field of `/proc/<pid>/status` in MiB: `VmRSS`, or `VmHWM` for the peak; 0 for a process that is gone. */
export async function memoryMib(pid: number | undefined, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
}

/** The local Gateway as the command starts it, in a process of its own. */
export async function remoteGateway(...options: string[]) {
  const { child } = cli('sandbox', '--port', '0', '--control', ...options);
  const [first] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const url = /http:\S+/.exec(first.toString())?.[0] ?? '';
  const stop = () => child.kill();
  return {
    url,
    stop,
    stats: async () => (await (await fetch(`${url}/__sandbox/stats`)).json()) as SandboxStats,
    async set(options: Record<string, unknown>) {
      const { ok, status } = await fetch(`${url}/__sandbox/set`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(options),
      });
      if (!ok) throw new Error(`the Gateway answered ${status} to new options`);
    },
  };
}

export const round = (n: number, digits = 1) => Number(n.toFixed(digits));
