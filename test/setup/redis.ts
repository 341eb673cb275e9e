import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { TestProject } from 'vitest/node';
import { findRedisServer } from '../../src/redis/binary.js';

declare module 'vitest' {
  export interface ProvidedContext {
    redisSocket: string;
  }
}

const STARTUP_MS = 20_000;

/** One private redis-server for the whole test run: no persistence, a Unix socket only, killed at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), 'asg-test-'));
  const socketPath = join(dir, 'redis.sock');
  const { path } = await findRedisServer();
  const settings = {
    port: '0',
    unixsocket: socketPath,
    unixsocketperm: '700',
    save: '',
    appendonly: 'no',
    dir,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn(path, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await answering(socketPath, server);
  process.env.ASG_TEST_REDIS_SOCKET = socketPath;
  project.provide('redisSocket', socketPath);
  return async () => {
    const exit = once(server, 'exit');
    if (server.exitCode === null && server.kill('SIGKILL')) await exit;
    await rm(dir, { recursive: true, force: true });
  };
}

async function answering(path: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + STARTUP_MS;
  while (Date.now() < deadline && server.exitCode === null) {
    const redis = new Redis({ path, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    redis.on('error', () => {});
    const answer = await redis
      .connect()
      .then(() => redis.ping())
      .catch(() => undefined);
    redis.disconnect();
    if (answer === 'PONG') return;
    await delay(20);
  }
  server.kill('SIGKILL');
  throw new Error(`the tests' redis-server did not start on ${path}`);
}
