import { once } from 'node:events';
import path from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createReleasers } from '../../src/lib/releasers.js';
import { openPipeline } from '../../src/pipeline/open.js';
import { runManifest } from '../../src/pipeline/run.js';
import { connectRedis } from '../../src/redis/connection.js';
import { readRun } from '../../src/runs/read-status.js';
import { collectGauges } from '../../src/web/metrics/collect.js';
import { type RedisCluster, startRedisCluster } from '../setup/redis-cluster.js';
import { startRedisServer } from '../setup/redis-server.js';
import {
  boughtTasks,
  line,
  readOut,
  sandbox,
  settingsFor,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

/** A run by itself, with connections of its own to the cluster. */
async function runOn(
  cluster: Pick<RedisCluster, 'url'>,
  gateway: string,
  dir: string,
  runId: string,
  lines: (object | string)[],
) {
  const manifest = await writeManifest(dir, lines, `${runId}.jsonl`);
  const out = path.join(dir, runId);
  const settings = settingsFor(dir, { redisUrl: cluster.url, gatewayUrl: gateway, out, runId, prefix: 'c' });
  const releasers = createReleasers();
  onTestFinished(() => releasers.close());
  const pipeline = await openPipeline(settings, pino({ level: 'silent' }), releasers);
  const signal = new AbortController().signal;
  const { summary } = await runManifest(pipeline, settings, manifest, { cwd: dir, signal });
  const { results, failures } = await readOut(out);
  return { summary, rows: results.length + failures.length, pipeline };
}

const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, n) => line(from + n));

test('two runs at once on a Redis Cluster: each is whole, and each is on one shard', async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const gateway = await sandbox({ rateLimit: 200, retryAfter: 'none', errorRate: 0.05 });
  const dir = await tempDir();
  const runs = await Promise.all([
    runOn(cluster, gateway.url, dir, 'run-0', numbered(80)),
    runOn(cluster, gateway.url, dir, 'run-1', ['nonsense', ...numbered(60, 1_000)]),
  ]);
  expect(runs.map(({ summary, rows }) => [summary.state, summary.settled, summary.failed, rows])).toEqual([
    ['completed', 80, 0, 80],
    ['completed', 60, 1, 61],
  ]);
  expect((await boughtTasks(gateway.url)).length).toBe(140);

  const [first] = runs;
  if (first) {
    await collectGauges(first.pipeline);
    const text = await first.pipeline.metrics.registry.metrics();
    expect(text).toContain('asg_ingest_run_lines{run="run-1",state="settled"} 60');
    expect(text.match(/^asg_ingest_redis_memory_bytes\{/gm)).toHaveLength(3);
  }

  // A run's keys are on one shard each; the runs and the budget are spread.
  const keysOf = await Promise.all(cluster.masters.map((redis) => redis.keys('*')));
  for (const tag of ['{c:run-0}', '{c:run-1}'])
    expect(keysOf.filter((keys) => keys.some((key) => key.startsWith(tag))).length, tag).toBe(1);
  expect(keysOf.filter((keys) => keys.length > 0).length).toBeGreaterThan(1);
}, 60_000);

test('a failover in the middle of a run: its shard moves, the old master dies, nothing is lost or bought twice', async () => {
  const cluster = await startRedisCluster(['{c:moved}']);
  onTestFinished(() => cluster.close());
  const gateway = await sandbox({ settle: { minMs: 200, maxMs: 600 } });
  const dir = await tempDir();
  const running = runOn(cluster, gateway.url, dir, 'moved', numbered(300));
  await until(() => gateway.stats().tasks >= 60, 'a fifth of the tasks');
  const idle = connectRedis({ url: cluster.url });
  onTestFinished(() => idle.disconnect());
  await readRun(idle, 'c', 'moved');
  const killOldMaster = await cluster.handOver('{c:moved}');
  // Whoever reads first after it finds the shard where it is now.
  expect(await readRun(idle, 'c', 'moved')).not.toBeNull();
  killOldMaster();
  const { summary, rows } = await running;
  expect([summary.state, summary.settled, rows]).toEqual(['completed', 300, 300]);
  expect((await boughtTasks(gateway.url)).length).toBe(300);
}, 120_000);

test('one server that is a replica for a while: its READONLY is waited out, nothing is lost or bought twice', async () => {
  const dir = await tempDir();
  const { port, server, redis } = await startRedisServer(dir);
  onTestFinished(async () => {
    redis.disconnect();
    if (server.kill('SIGKILL')) await once(server, 'exit');
  });
  const gateway = await sandbox({ settle: { minMs: 100, maxMs: 400 } });
  const running = runOn({ url: `redis://127.0.0.1:${port}` }, gateway.url, dir, 'demoted', numbered(200));
  await until(() => gateway.stats().tasks >= 40, 'a fifth of the tasks');
  const connections = async () =>
    Number(/total_connections_received:(\d+)/.exec(await redis.info('stats'))?.[1] ?? 0);
  const before = await connections();
  // Nobody is at that address: it keeps its data and refuses writes, as a demoted master does.
  await redis.replicaof('127.0.0.1', 1);
  // Behind a name that has moved to the new master, a new connection is what gets there.
  await until(async () => (await connections()) >= before + 3, 'connections that are opened again', 10_000);
  await redis.replicaof('NO', 'ONE');
  const { summary, rows } = await running;
  expect([summary.state, summary.settled, rows]).toEqual(['completed', 200, 200]);
  expect((await boughtTasks(gateway.url)).length).toBe(200);
}, 60_000);
