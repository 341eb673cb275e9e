import { expect, test } from 'vitest';
import { prepare } from '../../src/pipeline/run.js';
import { runKeys } from '../../src/runs/keys.js';
import { readRun } from '../../src/runs/read-status.js';
import { transition } from '../../src/runs/transition.js';
import { ingestion, settingsFor } from '../pipeline/harness.js';

test('the lines of a cancelled run are those that have ended or are in flight, also before its summary', async () => {
  const { dir, manifest, pipeline } = await ingestion(10);
  const { redis, prefix } = pipeline;
  await prepare(pipeline, settingsFor(dir, { runId: 'r' }), manifest, dir);
  const keys = runKeys(prefix, 'r');
  await redis.hset(keys.counts, { lines: 10, settled: 2, failed: 1, in_flight: 3 });
  const lines = async () => (await readRun(redis, prefix, 'r'))?.status.lines;
  expect(await lines()).toBe(10);
  await transition(redis, keys, 'cancelled');
  expect(await lines()).toBe(6);
});
