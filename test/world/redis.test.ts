import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Cluster } from 'ioredis';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openQueues } from '../../src/queues/queues.js';
import { createWorker } from '../../src/queues/worker.js';
import { bullConnection, connectRedis } from '../../src/redis/connection.js';
import { subscribe } from '../../src/redis/subscribe.js';
import { runKeys } from '../../src/runs/keys.js';
import { boughtTasks, readOut, tempDir, until } from '../pipeline/harness.js';
import { freePort } from '../setup/ports.js';
import { startRedisCluster } from '../setup/redis-cluster.js';
import { startRedisServer } from '../setup/redis-server.js';
import { uniquePrefix } from '../setup/redis-target.js';
import { startTcpProxy, type TcpProxy } from '../setup/tcp-proxy.js';
import { jsonl, world } from './world.js';

async function redisServer(more: Record<string, string> = {}) {
  const started = await startRedisServer(await tempDir(), more);
  onTestFinished(async () => {
    started.redis.disconnect();
    started.server.kill('SIGKILL');
  });
  return started;
}

describe('connections that go half-open', () => {
  async function halfOpen() {
    const { port } = await redisServer();
    const proxy = await startTcpProxy(port);
    onTestFinished(proxy.close);
    return { proxy, url: `redis://127.0.0.1:${proxy.port}` };
  }

  test('in the middle of a run: calls are made again within 30 s, the display says so, nothing is lost; the process does not outlive the run', async () => {
    const { proxy, url } = await halfOpen();
    const { start, dir, gateway, out } = await world({ settle: { minMs: 500, maxMs: 1_500 } });
    const file = path.join(dir, 'm.jsonl');
    await writeFile(file, jsonl(400));
    const process = start(
      ['run', file, '--out', 'out', '--question', 'Which?', '--options', 'a,b', '--rate', '60'],
      { args: ['--poll-delay', '100ms'], env: { REDIS_URL: url } },
    );
    await until(() => gateway.stats().tasks >= 60, 'tasks', 60_000);
    proxy.fallSilent();
    const silentAt = Date.now();
    const before = gateway.stats().tasks;
    await until(() => gateway.stats().tasks > before + 60, 'calls again', 60_000);
    expect(Date.now() - silentAt).toBeLessThan(30_000);
    let completedAt = 0;
    process.child.stderr?.on('data', (chunk) => {
      if (String(chunk).includes('completed:')) completedAt ||= Date.now();
    });
    const { status, stderr } = await process.exit;
    expect(status, stderr).toBe(0);
    expect(Date.now() - completedAt).toBeLessThan(10_000);
    expect(stderr).toMatch(/waiting for redis: Redis has not answered for \d+ s/);
    expect(stderr).toContain('Redis does not answer');
    const { results } = await readOut(out());
    expect(new Set(results.map(({ line }) => line)).size).toBe(400);
    expect((await boughtTasks(gateway.url)).length).toBe(400);
  });

  test('those that ask nothing are replaced within 30 s too, so that none is found dead when it is needed', async () => {
    const { proxy, url } = await halfOpen();
    const keys = runKeys(uniquePrefix(), 'r');
    const { connection } = bullConnection({ url });
    const queues = openQueues(keys, connection, () => undefined);
    const workers = (['submit', 'poll', 'flush'] as const).map((name) =>
      createWorker({
        ...{ name, keys, connection, concurrency: 1, mostLines: null, log: pino({ level: 'silent' }) },
        process: async () => undefined,
      }),
    );
    workers[0]?.start();
    // Two each: one of a worker waits for jobs.
    await until(() => proxy.connections() === 3 + 2 * 3, 'all connections');
    proxy.fallSilent();
    const silentAt = Date.now();
    await until(() => proxy.silent() === 0, 'the last one to be given up', 60_000);
    expect(Date.now() - silentAt).toBeLessThan(30_000);
    await until(() => proxy.connections() === 3 + 2 * 3, 'all connections again');
    // Whatever is closed while it is dead takes a moment.
    proxy.fallSilent();
    const closingAt = Date.now();
    await Promise.all([queues.close(), ...workers.map((each) => each.close(10_000))]);
    expect(Date.now() - closingAt).toBeLessThan(8_000);
  });

  async function halfOpenCluster() {
    const cluster = await startRedisCluster();
    onTestFinished(cluster.close);
    const proxies: TcpProxy[] = [];
    const url = await cluster.announce(async (port) => {
      const proxy = await startTcpProxy(port);
      proxies.push(proxy);
      onTestFinished(proxy.close);
      return proxy.port;
    });
    return { masters: cluster.masters, proxies, url };
  }

  test('of a cluster: a run goes on, and nothing is lost', async () => {
    const { proxies, url } = await halfOpenCluster();
    const { start, dir, gateway, out } = await world({ settle: { minMs: 500, maxMs: 1_500 } });
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(300));
    const process = start(
      ['run', 'm.jsonl', '--out', 'out', '--question', 'Which?', '--options', 'a,b', '--rate', '40'],
      { args: ['--poll-delay', '100ms'], env: { REDIS_URL: url } },
    );
    await until(() => gateway.stats().tasks >= 60, 'tasks', 60_000);
    for (const proxy of proxies) proxy.fallSilent();
    const { status, stderr } = await process.exit;
    expect(status, stderr).toBe(0);
    const { results } = await readOut(out());
    expect(new Set(results.map(({ line }) => line)).size).toBe(300);
    expect((await boughtTasks(gateway.url)).length).toBe(300);
  });

  test('all of a cluster at once, with commands on the way: they are sent again', async () => {
    const { proxies, url } = await halfOpenCluster();
    const redis = connectRedis({ url });
    onTestFinished(() => redis.disconnect());
    const name = uniquePrefix();
    const all = (value: string) =>
      Promise.all(Array.from({ length: 300 }, (_, n) => redis.set(`${name}${n}`, value)));
    await all('before');
    for (const proxy of proxies) proxy.fallSilent();
    const set = all('after');
    await new Promise(setImmediate);
    for (const proxy of proxies) proxy.cut();
    expect(new Set(await set)).toEqual(new Set(['OK']));
    expect(await redis.get(`${name}7`)).toBe('after');
    // A command that fails while all connections are being opened again, which ioredis would give up.
    const cluster = redis as Cluster;
    const closed = once(cluster, 'close');
    cluster.disconnect(true);
    await closed;
    await new Promise<void>((connectionClosed, defaults) =>
      cluster.handleError(new Error('Connection is closed.'), {}, { connectionClosed, defaults }),
    );
    expect(await redis.get(`${name}7`)).toBe('after');
  });

  test('the one of a cluster that only listens: news are heard again within 30 s', async () => {
    const { masters, proxies, url } = await halfOpenCluster();
    const redis = connectRedis({ url });
    onTestFinished(() => redis.disconnect());
    const heard: string[] = [];
    onTestFinished(await subscribe(redis, 'news', (message) => void heard.push(message)));
    const said = async (what: string) => {
      await masters[0]?.publish('news', what);
      return heard.includes(what);
    };
    await until(() => said('before'), 'news');
    const clients = await Promise.all(masters.map((master) => master.client('LIST')));
    const listening = [...`${clients}`.matchAll(/ addr=127\.0\.0\.1:(\d+) .* sub=1 /g)].map(([, port]) =>
      Number(port),
    );
    expect(listening).toHaveLength(1);
    for (const proxy of proxies) proxy.fallSilent((port) => listening.includes(port ?? 0));
    expect(await said('lost')).toBe(false);
    const silentAt = Date.now();
    await until(() => said('after'), 'news again', 60_000);
    expect(Date.now() - silentAt).toBeLessThan(30_000);
  });
});

test('what holds the process after its command has ended does not keep it', async () => {
  const { start, dir } = await world();
  await writeFile(path.join(dir, 'holds.cjs'), 'setInterval(() => undefined, 1_000);');
  const env = { NODE_OPTIONS: `--require ${path.join(dir, 'holds.cjs')}` };
  expect(await start(['runs'], { env }).exit).toMatchObject({ status: 0 });
  expect(await start(['status', 'none'], { env }).exit).toMatchObject({ status: 2 });
});

describe('a Redis that refuses for good is exit 2 with what to do', () => {
  test.each([
    ['no password', '', 'NOAUTH'],
    ['a wrong password', ':wrong@', 'WRONGPASS'],
    ['a user without rights', 'nobody:pw@', 'NOPERM'],
  ])('%s', async (_what, login, code) => {
    const { port, redis } = await redisServer();
    await redis.call('ACL', 'SETUSER', 'nobody', 'on', '>pw', '~other*', '+@connection', '+info');
    await redis.call('CONFIG', 'SET', 'requirepass', 'right');
    const { start } = await world();
    const exit = await start(['runs'], { env: { REDIS_URL: `redis://${login}127.0.0.1:${port}` } }).exit;
    expect(exit).toMatchObject({ status: 2, stderr: expect.stringContaining(code) });
    expect(exit.stderr).toMatch(/→ /);
    expect(exit.stderr).not.toContain('wrong@');
  });

  test('a certificate that is not trusted; with --ca it is; an address brings no warning', async () => {
    const { certs, port } = await redisWithTls();
    const { start } = await world();
    const env = { REDIS_URL: `rediss://127.0.0.1:${port}` };
    expect(await start(['runs'], { env }).exit).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/certificate[\s\S]*--ca/),
    });
    for (const called of [
      { env, args: ['--ca', path.join(certs, 'ca.crt')] },
      { env: { ...env, NODE_EXTRA_CA_CERTS: path.join(certs, 'ca.crt') } },
      { env: { ...env, ASG_CA: path.join(certs, 'ca.crt') } },
    ]) {
      const exit = await start(['runs'], called).exit;
      expect(exit, exit.stderr).toMatchObject({ status: 0 });
      expect(exit.stderr).not.toMatch(/warning/i);
    }
  });
});

test('a run through rediss:// with an own CA, as an ACL user with the least rights', async () => {
  const { certs, port, redis } = await redisWithTls();
  const { start, dir, prefix } = await world();
  await redis.call(
    ...(['ACL', 'SETUSER', 'ingest', 'on', '>p%w', `~${prefix}:*`, `~{${prefix}:*`, `&${prefix}:*`] as [
      string,
      ...string[],
    ]),
    ...['+@all', '-@admin', '-@dangerous', '+info'],
  );
  await writeFile(path.join(dir, 'm.jsonl'), jsonl(30));
  const env = { REDIS_URL: `rediss://ingest:p%25w@localhost:${port}`, NO_COLOR: '1' };
  const command = ['run', 'm.jsonl', '--question', 'Which?', '--options', 'a,b', '--poll-delay', '50ms'];
  const exit = await start([...command, '--ca', path.join(certs, 'ca.crt'), '--quiet'], { env }).exit;
  expect(exit, exit.stderr).toMatchObject({ status: 0, stderr: '' });
});

test('a doctor whose ACL user has no INFO says which rows cannot be read, and goes on', async () => {
  const { port, redis } = await redisServer();
  const { start, prefix } = await world();
  await redis.call(
    ...(['ACL', 'SETUSER', 'ingest', 'on', '>pw', `~${prefix}:*`, `~{${prefix}:*`, '&*'] as [
      string,
      ...string[],
    ]),
    ...['+@all', '-@admin', '-@dangerous'],
  );
  const { stdout } = await start(['doctor'], { env: { REDIS_URL: `redis://ingest:pw@127.0.0.1:${port}` } })
    .exit;
  expect(stdout).toMatch(/Redis.*cannot be read.*NOPERM/);
  expect(stdout).toContain('Gateway and key');
});

test('a failover of the master that Sentinels know, in the middle of a run', async () => {
  const master = await redisServer();
  const replica = await redisServer({ replicaof: `127.0.0.1 ${master.port}` });
  const sentinels: number[] = [];
  for (let n = 0; n < 3; n += 1) sentinels.push(await startSentinel(master.port));
  await until(
    async () => (await replica.redis.info('replication')).includes('master_link_status:up'),
    'the replica',
  );
  await until(async () => {
    const seen = await sentinelSays(sentinels[0] ?? 0, 'replicas');
    return seen.includes(`${replica.port}`);
  }, 'the sentinels');
  const { start, dir, gateway, out } = await world({ settle: { minMs: 300, maxMs: 900 } });
  await writeFile(path.join(dir, 'm.jsonl'), jsonl(300));
  const url = `redis+sentinel://${sentinels.map((port) => `127.0.0.1:${port}`).join(',')}/main`;
  const process = start(
    ['run', 'm.jsonl', '--out', 'out', '--question', 'Which?', '--options', 'a,b', '--rate', '40'],
    { args: ['--poll-delay', '100ms'], env: { REDIS_URL: url } },
  );
  await until(() => gateway.stats().tasks >= 60, 'tasks', 60_000);
  master.server.kill('SIGKILL');
  const { status, stderr } = await process.exit;
  expect(status, stderr).toBe(0);
  const { results } = await readOut(out());
  expect(new Set(results.map(({ line }) => line)).size).toBe(300);
  // What the dead master had not passed on is bought again under its own key, and so not charged again.
  expect((await boughtTasks(gateway.url)).length).toBe(300);
}, 150_000);

async function redisWithTls() {
  const certs = await tempDir();
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: certs, stdio: 'ignore' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=test ca',
  );
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'redis.key',
    '-out',
    'redis.csr',
    '-subj',
    '/CN=localhost',
  );
  await writeFile(path.join(certs, 'ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  openssl(
    ...['x509', '-req', '-in', 'redis.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-out', 'redis.crt', '-extfile', 'ext'],
  );
  const port = await freePort();
  const server = await redisServer({
    'tls-port': `${port}`,
    'tls-cert-file': path.join(certs, 'redis.crt'),
    'tls-key-file': path.join(certs, 'redis.key'),
    'tls-ca-cert-file': path.join(certs, 'ca.crt'),
    'tls-auth-clients': 'no',
  });
  return { certs, port, redis: server.redis };
}

async function startSentinel(masterPort: number): Promise<number> {
  const { spawn } = await import('node:child_process');
  const { findRedisServer } = await import('../../src/redis/binary.js');
  const [dir, port] = [await tempDir(), await freePort()];
  const file = path.join(dir, 'sentinel.conf');
  await writeFile(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${dir}`,
      `sentinel monitor main 127.0.0.1 ${masterPort} 2`,
      'sentinel down-after-milliseconds main 2000',
      'sentinel failover-timeout main 5000',
      '',
    ].join('\n'),
  );
  const server = spawn((await findRedisServer()).path, [file, '--sentinel'], { stdio: 'ignore' });
  onTestFinished(() => void server.kill('SIGKILL'));
  await until(async () => (await sentinelSays(port, 'master').catch(() => '')) !== '', 'a sentinel');
  return port;
}

async function sentinelSays(port: number, what: string): Promise<string> {
  const { Redis } = await import('ioredis');
  const sentinel = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null });
  sentinel.on('error', () => undefined);
  try {
    await sentinel.connect();
    return JSON.stringify(await sentinel.call('SENTINEL', what, 'main'));
  } finally {
    sentinel.disconnect();
  }
}
