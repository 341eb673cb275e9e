import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer } from '../../../src/redis/binary.js';
import { freePort } from '../../setup/ports.js';
import { tries } from '../../setup/tries.js';
import { makeClock } from './clock.js';

export interface RedisServer {
  port: number;
  /** A client past the proxy. */
  admin: Redis;
  kill(signal: NodeJS.Signals): void;
  /** Ends it, by default with all it has in its file, and waits for that. Idempotent. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it on the same port with the same data, and waits until it answers. Idempotent. */
  start(): Promise<void>;
  /** Puts its clock so many seconds off; null when it cannot be set. */
  stepClock: ((seconds: number) => Promise<void>) | null;
  close(): Promise<void>;
}

const READY_MS = 20_000;

/** A redis-server with its file in `dir`, whose clock can be set when `clockLibrary` is given. */
export async function startRedis(
  dir: string,
  { fsync, clockLibrary }: { fsync: 'always' | 'everysec'; clockLibrary: string | null },
): Promise<RedisServer> {
  const { path: binary } = await findRedisServer();
  const port = await freePort();
  await mkdir(dir, { recursive: true });
  const clock = clockLibrary === null ? null : await makeClock(clockLibrary, path.join(dir, 'clock'));
  const settings = {
    ...{ port: `${port}`, bind: '127.0.0.1', dir, save: '', appendonly: 'yes', appendfsync: fsync },
    ...{ 'maxmemory-policy': 'noeviction', 'lua-time-limit': '100', logfile: path.join(dir, 'redis.log') },
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const env = { ...process.env, ...clock?.env };
  const admin = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, maxRetriesPerRequest: null });
  admin.on('error', () => undefined);
  let child: ChildProcess | null = null;

  const running = () => child !== null && child.exitCode === null && child.signalCode === null;
  async function start(): Promise<void> {
    if (running()) return;
    child = spawn(binary, args, { stdio: 'ignore', env });
    await tries(READY_MS, async () => (await answer(port)) === 'PONG');
  }
  async function stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (child === null || !running()) return;
    const exit = once(child, 'exit');
    // A stopped process hears SIGTERM only when it goes on.
    child.kill('SIGCONT');
    child.kill(signal);
    await exit;
  }
  await start();
  return {
    port,
    admin,
    kill: (signal) => void child?.kill(signal),
    stop,
    start,
    stepClock: clock?.step ?? null,
    async close() {
      admin.disconnect();
      await stop('SIGKILL');
    },
  };
}

async function answer(port: number): Promise<string> {
  const redis = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await redis.ping();
  } catch (error) {
    return String(error);
  } finally {
    redis.disconnect();
  }
}
