import path from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { collectGauges } from '../../src/metrics/collect.js';
import { createReleasers, openPipeline } from '../../src/open-pipeline.js';
import { runManifest } from '../../src/run.js';
import { startRedisCluster } from '../setup/redis-cluster.js';
import { boughtTasks, line, readOut, sandbox, settingsFor, tempDir, writeManifest } from './harness.js';

test('two runs at once on a Redis Cluster: each is whole, and each is on one shard', async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const gateway = await sandbox({ rateLimit: 200, retryAfter: 'none', errorRate: 0.05 });
  const dir = await tempDir();
  const manifests = [
    await writeManifest(
      dir,
      Array.from({ length: 80 }, (_, n) => line(n)),
      'a.jsonl',
    ),
    await writeManifest(
      dir,
      ['nonsense', ...Array.from({ length: 60 }, (_, n) => line(1_000 + n))],
      'b.jsonl',
    ),
  ];
  const runs = await Promise.all(
    manifests.map(async (manifest, i) => {
      const out = path.join(dir, `out${i}`);
      const flags = { redisUrl: cluster.url, gatewayUrl: gateway.url, out, runId: `run-${i}`, prefix: 'c' };
      const settings = settingsFor(dir, flags);
      const releasers = createReleasers();
      onTestFinished(() => releasers.close());
      const pipeline = await openPipeline(settings, pino({ level: 'silent' }), releasers);
      const signal = new AbortController().signal;
      const outcome = await runManifest(pipeline, settings, manifest, { cwd: dir, signal });
      return { ...outcome, pipeline };
    }),
  );
  expect(runs.map(({ summary }) => [summary.state, summary.settled, summary.failed])).toEqual([
    ['completed', 80, 0],
    ['completed', 60, 1],
  ]);
  expect((await boughtTasks(gateway.url)).length).toBe(140);
  const rows = await Promise.all([0, 1].map((i) => readOut(path.join(dir, `out${i}`))));
  expect(rows.map(({ results, failures }) => results.length + failures.length)).toEqual([80, 61]);

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
