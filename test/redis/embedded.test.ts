import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isRunning } from '../../src/lib/child-process/process-identity.js';
import { findRedisServer } from '../../src/redis/binary.js';
import { connectRedis, type RedisClient } from '../../src/redis/connection.js';
import { type EmbeddedRedis, openEmbeddedRedis } from '../../src/redis/embedded.js';

const log = pino({ level: 'silent' });
const WITHIN_15_S = { timeout: 15_000, interval: 25 };

let dataDir: string;
let opened: EmbeddedRedis[];
let users: ChildProcess[];
let clients: RedisClient[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'asg-embedded-'));
  opened = [];
  users = [];
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.disconnect();
  for (const user of users) user.kill('SIGKILL');
  await Promise.all(opened.map((redis) => redis.close()));
  await stopped(dataDir);
  await rm(dataDir, { recursive: true, force: true });
});

async function open(dir = dataDir): Promise<EmbeddedRedis> {
  const redis = await openEmbeddedRedis(dir, { log });
  opened.push(redis);
  return redis;
}

function client(socketPath: string): RedisClient {
  const redis = connectRedis({ socketPath });
  clients.push(redis);
  return redis;
}

/** A user in a process of its own; resolves when it says which socket it has. */
async function startUser(startAt = 0): Promise<{ process: ChildProcess; socketPath: string }> {
  const script = fileURLToPath(new URL('./embedded-user.ts', import.meta.url));
  const user = spawn(process.execPath, ['--import', 'tsx', script, dataDir, String(startAt)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  users.push(user);
  const [line] = await Promise.race([
    once(createInterface(user.stdout), 'line'),
    once(user, 'exit').then(([code]) => Promise.reject(new Error(`the user exited with ${code}`))),
  ]);
  return { process: user, socketPath: String(line) };
}

/** Those that still run; a killed process may stay in the table as a zombie until its parent looks. */
async function running(...pids: number[]): Promise<number[]> {
  const found = await Promise.all(pids.map((pid) => isRunning(pid, dataDir)));
  return pids.filter((_, at) => found[at]);
}

async function pids(dir = dataDir): Promise<{ guard: number; server: number }> {
  const text = await readFile(join(dir, 'redis', 'guard.pid'), 'utf8');
  const [guard = 0, server = 0] = text.trim().split(' ').map(Number);
  return { guard, server };
}

/** The guard removes its pid file after its server has ended. */
async function stopped(dir = dataDir): Promise<void> {
  await vi.waitFor(async () => {
    await expect(stat(join(dir, 'redis', 'guard.pid'))).rejects.toThrow('ENOENT');
  }, WITHIN_15_S);
}

test('it keeps its data from one use to the next', async () => {
  const first = await open();
  await client(first.socketPath).set('k', 'kept');
  await first.close();
  await stopped();
  const second = await open();
  expect(second.socketPath).toBe(first.socketPath);
  expect(await client(second.socketPath).get('k')).toBe('kept');
});

test('its next use may begin while it still stops', async () => {
  for (let round = 0; round < 5; round++) {
    const redis = await open();
    expect(await client(redis.socketPath).incr('rounds')).toBe(round + 1);
    await redis.close();
  }
});

test('it is durable, private and never evicts', async () => {
  const { socketPath } = await open();
  const redis = client(socketPath);
  const settings = [
    'appendonly',
    'appendfsync',
    'save',
    'maxmemory-policy',
    'hash-max-listpack-value',
    'port',
  ];
  const found = await Promise.all(settings.map((name) => redis.config('GET', name)));
  expect(Object.fromEntries(found as [string, string][])).toEqual({
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    'hash-max-listpack-value': '1024',
    port: '0',
  });
  expect((await stat(socketPath)).mode & 0o777).toBe(0o700);
  expect(await readFile(join(dataDir, '.gitignore'), 'utf8')).toBe('*\n');
});

test('processes that start at the same instant share one server, and kill -9 of them all stops it', async () => {
  const at = Date.now() + 2000;
  const all = await Promise.all([1, 2, 3, 4].map(() => startUser(at)));
  const { guard, server } = await pids();
  expect(new Set(all.map((user) => user.socketPath)).size).toBe(1);
  const log = await readFile(join(dataDir, 'redis', 'redis-server.log'), 'utf8');
  expect(log.match(/Redis is starting/g)).toHaveLength(1);

  for (const user of all.slice(1)) user.process.kill('SIGKILL');
  const last = all.slice(0, 1);
  await Promise.all(
    all
      .slice(1)
      .map((user) => user.process.exitCode ?? user.process.signalCode ?? once(user.process, 'exit')),
  );
  expect(await client(last[0]?.socketPath ?? '').ping()).toBe('PONG');
  expect((await pids()).server).toBe(server);

  for (const user of last) user.process.kill('SIGKILL');
  await vi.waitFor(async () => expect(await running(guard, server)).toEqual([]), WITHIN_15_S);
  await stopped();
});

test('Ctrl-C in the terminal does not reach it: it has a session of its own', async () => {
  await open();
  const { guard, server } = await pids();
  const sessions = await Promise.all([process.pid, guard, server].map(sessionOf));
  expect(sessions[1]).toBe(guard);
  expect(sessions[2]).toBe(guard);
  expect(sessions[0]).not.toBe(guard);
});

async function sessionOf(pid: number): Promise<number> {
  const ps = spawn('ps', ['-o', 'sess=', '-p', String(pid)], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(ps.stdout), 'line');
  return Number(line);
}

test.each(['server', 'guard'] as const)('kill -9 of the %s: it comes back with its data', async (victim) => {
  const { socketPath } = await open();
  const other = await startUser();
  const redis = client(socketPath);
  await redis.set('k', 'kept');
  const before = await pids();
  // `everysec` may lose the last second, but only when the machine goes down: the kernel has every write.
  process.kill(before[victim], 'SIGKILL');
  await vi.waitFor(async () => expect((await pids()).server).not.toBe(before.server), WITHIN_15_S);
  expect(await redis.get('k')).toBe('kept');
  const after = await pids();
  expect(await running(before.guard, before.server, after.guard, after.server)).toEqual([
    after.guard,
    after.server,
  ]);

  await Promise.all(opened.map((user) => user.close()));
  expect(await client(other.socketPath).get('k')).toBe('kept');
  other.process.stdin?.end();
  await vi.waitFor(async () => expect(await running(after.guard, after.server)).toEqual([]), WITHIN_15_S);
});

test('without setpriv a server outlives a killed guard, and is stopped before the next one starts', async () => {
  const { path } = await findRedisServer();
  const bin = join(dataDir, 'bin');
  await mkdir(bin);
  for (const tool of ['mkfifo', 'rm']) {
    const folder = (process.env.PATH ?? '').split(delimiter).find((each) => existsSync(join(each, tool)));
    await symlink(join(folder ?? '', tool), join(bin, tool));
  }
  vi.stubEnv('ASG_REDIS_SERVER', path);
  vi.stubEnv('PATH', bin);
  try {
    const { socketPath } = await open();
    const redis = client(socketPath);
    await redis.set('k', 'kept');
    const before = await pids();
    process.kill(before.guard, 'SIGKILL');
    await vi.waitFor(async () => expect((await pids()).guard).not.toBe(before.guard), WITHIN_15_S);
    expect(await running(before.server)).toEqual([]);
    expect(await redis.get('k')).toBe('kept');
  } finally {
    vi.unstubAllEnvs();
  }
});

test('a pid file of dead processes, or of someone else’s, and a stale socket are in no one’s way', async () => {
  await mkdir(join(dataDir, 'redis'));
  await writeFile(join(dataDir, 'redis', 'guard.pid'), `${process.pid} ${process.ppid}\n`);
  const stale = join(dataDir, 'redis', 'redis.sock');
  const listener = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(stale)}, () => console.log('up'))`,
  ]);
  await once(listener.stdout, 'data');
  listener.kill('SIGKILL');
  await once(listener, 'exit');
  const { socketPath } = await open();
  expect(socketPath.endsWith('redis.sock')).toBe(true);
  expect(await client(socketPath).ping()).toBe('PONG');
});

test('a data directory with a long path has a short socket', async () => {
  const long = join(dataDir, 'x'.repeat(120));
  const { socketPath } = await open(long);
  expect(Buffer.byteLength(socketPath)).toBeLessThanOrEqual(100);
  expect(await client(socketPath).ping()).toBe('PONG');
  expect((await open(long)).socketPath).toBe(socketPath);
  await Promise.all(opened.map((redis) => redis.close()));
  await stopped(long);
});

test('a server that cannot start is an error with the end of its log', async () => {
  await mkdir(join(dataDir, 'redis', 'appendonlydir'), { recursive: true });
  await writeFile(join(dataDir, 'redis', 'appendonlydir', 'appendonly.aof.manifest'), 'not a manifest\n');
  await expect(open()).rejects.toMatchObject({
    code: 'redis',
    message: expect.stringContaining('manifest'),
    hint: expect.stringContaining('redis-server.log'),
  });
});
