import { expect, test } from 'vitest';
import { createConsumerHeartbeats } from '../../src/runs/consumer-heartbeats.js';
import { runKeys } from '../../src/runs/keys.js';
import { line, pipelineTo, runLines, sandbox, tempDir, until, writeManifest } from './harness.js';

test('a run is summed up only when the other consumer has told its calls', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const pipeline = await pipelineTo(gateway.url);
  const { redis } = pipeline;
  const keys = runKeys(pipeline.prefix, 'r');
  const other = createConsumerHeartbeats(redis, keys);
  await other.beat(false);
  const running = runLines(pipeline, dir, await writeManifest(dir, [line(1), line(2)]), { runId: 'r' });
  // All rows are in parts, and the consumer of this process has reported its counts. Only the other one is missing.
  await until(async () => {
    await other.beat(false);
    const told = (await redis.hvals(keys.consumers)).filter((value) => value.startsWith('1:'));
    return told.length === 1 && (await redis.llen(keys.parts)) === 1;
  }, 'the parts');
  expect(await other.allCountsFlushed()).toBe(false);
  expect(await redis.hget(keys.record, 'summed_up')).toBeNull();
  // The other consumer's last call, recorded late.
  await redis.hincrby(keys.calls, 'result:503', 1);
  await other.beat(true);
  const { summary } = await running;
  expect(summary.gateway_calls.result).toMatchObject({ 503: 1, 200: 2 });
});

test('a consumer that has been silent for four seconds is not waited for', async () => {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  const heartbeats = createConsumerHeartbeats(redis, keys);
  await heartbeats.beat(true);
  await redis.hset(keys.consumers, 'dead', `0:${Date.now() - 10_000}`);
  expect(await heartbeats.allCountsFlushed()).toBe(true);
  expect(await redis.hexists(keys.consumers, 'dead')).toBe(0);
  await heartbeats.leave();
  await heartbeats.beat(false);
  expect(await heartbeats.allCountsFlushed()).toBe(true);
});
