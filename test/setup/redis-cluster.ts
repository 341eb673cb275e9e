import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer } from '../../src/redis/binary.js';
import { freePort } from './ports.js';
import { tries } from './tries.js';

const STARTUP_MS = 20_000;
const SLOTS = 16_384;

export interface RedisCluster {
  url: string;
  /** A client of each master, by itself. */
  masters: Redis[];
  close(): Promise<void>;
}

/** A real Redis Cluster of three masters on loopback, without persistence. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const dir = await mkdtemp(path.join(tmpdir(), 'asg-cluster-'));
  const { path: binary } = await findRedisServer();
  const ports = [await freePort(), await freePort(), await freePort()];
  const servers = await Promise.all(
    ports.map(async (port) => {
      const home = path.join(dir, `${port}`);
      await mkdir(home);
      const settings = {
        port: `${port}`,
        bind: '127.0.0.1',
        dir: home,
        save: '',
        appendonly: 'no',
        'cluster-enabled': 'yes',
        // By default it is the port and 10000, which may be no port at all.
        'cluster-port': `${await freePort()}`,
        'cluster-node-timeout': '2000',
      };
      const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
      return spawn(binary, args, { stdio: 'ignore' });
    }),
  );
  const masters = ports.map((port) => {
    const redis = new Redis({ port, host: '127.0.0.1' });
    redis.on('error', () => {});
    return redis;
  });
  await Promise.all(masters.map((redis) => redis.ping()));
  const share = Math.ceil(SLOTS / masters.length);
  for (const [i, redis] of masters.entries())
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', i * share, Math.min(SLOTS, (i + 1) * share) - 1);
  const busPort = async (redis: Redis) =>
    /@(\d+)/.exec(String(await redis.call('CLUSTER', 'NODES')))?.[1] ?? '';
  const [first, ...others] = masters;
  for (const [i, other] of others.entries())
    await first?.call('CLUSTER', 'MEET', '127.0.0.1', ports[i + 1] ?? 0, await busPort(other));
  await tries(STARTUP_MS, async () => {
    const infos = await Promise.all(masters.map((redis) => redis.call('CLUSTER', 'INFO')));
    return infos.every(
      (info) => /cluster_state:ok/.test(`${info}`) && /cluster_known_nodes:3/.test(`${info}`),
    );
  });
  return {
    url: `redis+cluster://127.0.0.1:${ports[0]}?addr=127.0.0.1:${ports[1]}`,
    masters,
    async close() {
      for (const redis of masters) redis.disconnect();
      await Promise.all(
        servers.map(async (server) => {
          if (server.exitCode === null && server.kill('SIGKILL')) await once(server, 'exit');
        }),
      );
      await rm(dir, { recursive: true, force: true });
    },
  };
}
