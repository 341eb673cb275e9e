import { pino } from 'pino';
import { expect, test } from 'vitest';
import { runs } from '../../src/cli/commands/runs.js';
import type { Manifest } from '../../src/manifest/index.js';
import { prepareRun } from '../../src/pipeline/prepare.js';
import { openSink } from '../../src/results/sink.js';
import { runKeys } from '../../src/runs/keys.js';
import { recount } from '../../src/runs/recount.js';
import { callMain } from '../cli/harness.js';
import { pipelineTo, runPolicyOf, storeFlags, tempDir } from '../pipeline/harness.js';

/** With the keys that every run has, more than one call takes as arguments. */
const SOURCES = 10_000;

const manifestOf = (sources: number): Manifest => ({
  uri: 'file:///in/',
  identity: 'file:///in/',
  version: 'v',
  bytes: sources,
  sources: Array.from({ length: sources }, (_, index) => ({
    ...{ index, uri: `file:///in/${index}.jsonl`, name: `${index}.jsonl`, version: 'v', size: 1 },
    ...{ compression: null, seekable: true },
  })),
});

test('a run of 10,000 sources is made ready, and forgotten when it has ended', async () => {
  const dir = await tempDir();
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const { redis, prefix } = pipeline;
  const request = {
    ...{ manifest: manifestOf(SOURCES), policy: runPolicyOf(dir), gateway: 'g', keyFingerprint: 'f' },
    task: { taskType: 'x', labelSpec: null, consensusThreshold: null, key: 'line' },
    ...{ runId: 'r', out: () => dir, openSink: () => openSink(dir) },
  };
  const { kind } = await prepareRun(redis, prefix, request, pino({ level: 'silent' }));
  expect(kind).toBe('go');
  const keys = runKeys(prefix, 'r');
  await redis.setbit(keys.ended(SOURCES - 1), 0, 1);
  await redis.hset(keys.record, { state: 'completed', summed_up: '1' });
  const { status, stderr } = await callMain(
    ['runs', '--prune', ...storeFlags(pipeline)],
    { runs },
    { cwd: dir },
  );
  expect(status, stderr).toBe(0);
  expect(stderr).toContain('1 ended runs forgotten');
  expect(await redis.keys(`{${prefix}:r}*`)).toEqual([]);
});

test('the counts of a run of 130,000 sources are set right', async () => {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  await redis.set(keys.lease, 'token');
  await redis.hset(keys.record, 'manifest', JSON.stringify({ count: 130_000 }));
  await redis.setbit(keys.admitted(129_999), 0, 1);
  expect(await recount(redis, keys, 'token', 0)).toBe(0);
  expect(await redis.hget(keys.counts, 'in_flight')).toBe('1');
});
