/** A place to measure in: a folder, a Redis and a Gateway of its own, which go when the measurement is over. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { createReleasers } from '../../src/lib/releasers.js';
import { startRedisServer } from '../../test/setup/redis-server.js';
import { lineOf } from './shared.mjs';

const GATEWAY = fileURLToPath(new URL('gateway.mjs', import.meta.url));

/** A bench that is interrupted takes its servers with it. */
const servers = new Set<ChildProcess>();
process.on('exit', () => {
  for (const server of servers) server.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

export interface GatewayOptions {
  /** A task has its label this long after it was submitted (ms; 50). */
  settleMs?: number;
  /** Every answer takes this long (ms; 0). */
  latencyMs?: number;
  /** Keep when each task was submitted and labeled, for `tasks()`. */
  log?: boolean;
  /** Each nth new line is answered 503 three times before it is accepted (0: none). */
  troubleEvery?: number;
}

/** Times are epoch ms. */
export interface GatewayStats {
  tasks: number;
  replays: number;
  refused: number;
  pending: number;
  labels: number;
  first_submission_at: number | null;
  last_label_at: number | null;
  /** CPU of the Gateway's process. */
  cpu_us: number;
}

export interface LoggedTask {
  /** Whether it was answered 503 before. */
  refused: boolean;
  at: number;
  labelAt: number | null;
}

export interface Lab {
  dir: string;
  gatewayUrl: string;
  redisUrl: string;
  redisPort: number;
  redis: Redis;
  stats(): Promise<GatewayStats>;
  tasks(): Promise<LoggedTask[]>;
}

export async function inLab<T>(options: GatewayOptions, use: (lab: Lab) => Promise<T>): Promise<T> {
  const releasers = createReleasers();
  try {
    const dir = await mkdtemp(path.join(tmpdir(), 'asg-bench-'));
    releasers.add(() => rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
    const { port, server, redis } = await startRedisServer(dir);
    servers.add(server);
    releasers.add(async () => {
      servers.delete(server);
      redis.disconnect();
      server.kill('SIGKILL');
      await once(server, 'exit');
    });
    const gateway = spawn(process.execPath, [GATEWAY, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    servers.add(gateway);
    releasers.add(async () => {
      servers.delete(gateway);
      gateway.kill('SIGKILL');
      await once(gateway, 'exit');
    });
    const [first] = (await once(gateway.stdout, 'data')) as [Buffer];
    const gatewayUrl = `http://127.0.0.1:${first.toString().trim()}`;
    const get = async (what: string) => await (await fetch(`${gatewayUrl}/bench/${what}`)).json();
    return await use({
      dir,
      gatewayUrl,
      redisUrl: `redis://127.0.0.1:${port}`,
      redisPort: port,
      redis,
      stats: async () => (await get('stats')) as GatewayStats,
      tasks: async () => (await get('tasks')) as LoggedTask[],
    });
  } finally {
    await releasers.close();
  }
}

const manifests = new Map<number, Promise<{ file: string; bytes: number }>>();

/** A manifest of so many lines, made once. */
export function manifestOf(lines: number): Promise<{ file: string; bytes: number }> {
  const known = manifests.get(lines) ?? writeManifest(lines);
  manifests.set(lines, known);
  return known;
}

let folder: Promise<string> | undefined;

async function writeManifest(lines: number) {
  folder ??= mkdtemp(path.join(tmpdir(), 'asg-bench-manifests-'));
  const file = path.join(await folder, `${lines}.jsonl`);
  const out = createWriteStream(file);
  let bytes = 0;
  for (let n = 1; n <= lines; ) {
    let chunk = '';
    for (const stop = Math.min(lines, n + 999); n <= stop; n += 1) chunk += `${JSON.stringify(lineOf(n))}\n`;
    bytes += chunk.length;
    if (!out.write(chunk)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return { file, bytes };
}

export async function removeManifests(): Promise<void> {
  if (folder) await rm(await folder, { recursive: true, force: true });
}
