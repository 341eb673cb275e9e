import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { freePort } from './ports.js';
import { type RedisServer, startRedisServer } from './redis-server.js';
import { tries } from './tries.js';

const STARTUP_MS = 20_000;
const SLOTS = 16_384;
const SHARE = Math.ceil(SLOTS / 3);

export interface RedisCluster {
  url: string;
  /** A client of each master, by itself. */
  masters: Redis[];
  /** Promotes the replica of the key's master. Returns a function that kills the old master, which knows by then. */
  handOver(key: string): Promise<() => void>;
  /** From now on the cluster announces these ports to clients, one for each node. */
  announce(portOf: (port: number) => Promise<number>): Promise<string>;
  close(): Promise<void>;
}

/** A real Redis Cluster on loopback: three masters, without persistence, and a replica of each of `replicated` keys' masters. */
export async function startRedisCluster(replicated: string[] = []): Promise<RedisCluster> {
  const dir = await mkdtemp(path.join(tmpdir(), 'asg-cluster-'));
  const masters = await Promise.all([1, 2, 3].map(() => startNode(dir)));
  const ownerOf = async (key: string) => {
    const slot = Number(await masters[0]?.redis.call('CLUSTER', 'KEYSLOT', key));
    const owner = masters[Math.floor(slot / SHARE)];
    if (owner === undefined) throw new Error(`no master owns ${key}`);
    return owner;
  };
  const replicas = new Map<RedisServer, RedisServer>();
  for (const owner of new Set(await Promise.all(replicated.map(ownerOf))))
    replicas.set(owner, await startNode(dir));
  const nodes = [...masters, ...replicas.values()];

  for (const [i, { redis }] of masters.entries())
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', i * SHARE, Math.min(SLOTS, (i + 1) * SHARE) - 1);
  const [first, ...others] = nodes;
  for (const other of others) {
    const bus = /@(\d+)/.exec(`${await other.redis.call('CLUSTER', 'NODES')}`)?.[1] ?? '';
    await first?.redis.call('CLUSTER', 'MEET', '127.0.0.1', other.port, bus);
  }
  const allSay = (text: string) =>
    tries(STARTUP_MS, async () => {
      const infos = await Promise.all(nodes.map(({ redis }) => redis.call('CLUSTER', 'INFO')));
      return infos.every((info) => `${info}`.includes(text));
    });
  await allSay(`cluster_known_nodes:${nodes.length}\r`);
  for (const [owner, replica] of replicas) {
    await replica.redis.call('CLUSTER', 'REPLICATE', `${await owner.redis.call('CLUSTER', 'MYID')}`);
    await tries(STARTUP_MS, async () =>
      (await replica.redis.info('replication')).includes('master_link_status:up'),
    );
  }
  await allSay('cluster_state:ok');
  return {
    url: `redis+cluster://127.0.0.1:${masters[0]?.port}?addr=127.0.0.1:${masters[1]?.port}`,
    async announce(portOf) {
      const ports = await Promise.all(nodes.map(({ port }) => portOf(port)));
      for (const [i, { redis }] of nodes.entries())
        await redis.call('CONFIG', 'SET', 'cluster-announce-port', `${ports[i]}`);
      await tries(STARTUP_MS, async () => {
        const told = await Promise.all(nodes.map(({ redis }) => redis.call('CLUSTER', 'SLOTS')));
        return told.every((slots) => ports.every((port) => JSON.stringify(slots).includes(`${port}`)));
      });
      return `redis+cluster://127.0.0.1:${ports[0]}?addr=127.0.0.1:${ports[1]}`;
    },
    masters: masters.map(({ redis }) => redis),
    async handOver(key) {
      const owner = await ownerOf(key);
      const replica = replicas.get(owner);
      await replica?.redis.call('CLUSTER', 'FAILOVER');
      await tries(STARTUP_MS, async () => `${await replica?.redis.call('ROLE')}`.startsWith('master'));
      await tries(STARTUP_MS, async () => `${await owner.redis.call('ROLE')}`.startsWith('slave'));
      return () => void owner.server.kill('SIGKILL');
    },
    async close() {
      for (const { redis } of nodes) redis.disconnect();
      await Promise.all(
        nodes.map(async ({ server }) => {
          if (server.exitCode === null && server.kill('SIGKILL')) await once(server, 'exit');
        }),
      );
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const startNode = async (dir: string) =>
  startRedisServer(dir, {
    'cluster-enabled': 'yes',
    // By default it is the port and 10000, which may be no port at all.
    'cluster-port': `${await freePort()}`,
    'cluster-node-timeout': '2000',
    'repl-diskless-sync-delay': '0',
  });
