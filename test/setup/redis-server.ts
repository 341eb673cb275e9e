import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer } from '../../src/redis/binary.js';
import { freePort } from './ports.js';

export interface RedisServer {
  port: number;
  server: ChildProcess;
  /** A plain client of this server. */
  redis: Redis;
}

/** A real redis-server on a loopback port, without persistence, for tests that do things to the server itself. */
export async function startRedisServer(dir: string, more: Record<string, string> = {}): Promise<RedisServer> {
  const { path: binary } = await findRedisServer();
  const port = await freePort();
  const home = path.join(dir, `${port}`);
  await mkdir(home);
  const settings = { port: `${port}`, bind: '127.0.0.1', dir: home, save: '', appendonly: 'no', ...more };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn(binary, args, { stdio: 'ignore' });
  const redis = new Redis({ port, host: '127.0.0.1' });
  redis.on('error', () => {});
  await redis.ping();
  return { port, server, redis };
}
