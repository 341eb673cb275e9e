import { expect, onTestFinished, test } from 'vitest';
import { failQueuedLines } from '../../src/pipeline/cancel.js';
import { openProducer } from '../../src/pipeline/open-producer.js';
import { prepare } from '../../src/pipeline/run.js';
import { superviseProducer } from '../../src/producers/supervise.js';
import { decodeChunk } from '../../src/queues/chunk.js';
import { endedBits } from '../../src/runs/bits.js';
import { runKeys } from '../../src/runs/keys.js';
import { admit } from '../../src/runs/scripts.js';
import { transition } from '../../src/runs/transition.js';
import { ingestion, settingsFor } from './harness.js';

test('cancel ends queued lines, and leaves those that may have been bought to a consumer', async () => {
  const { dir, manifest, pipeline } = await ingestion(3);
  const { redis, prefix } = pipeline;
  const { manifest: opened, prepared } = await prepare(pipeline, settingsFor(dir), manifest, dir);
  if (prepared.kind !== 'go') throw new Error('nothing to produce');
  const { record } = prepared;
  const producer = openProducer(pipeline, record);
  onTestFinished(() => producer.close());
  await superviseProducer(producer, record, async () => opened, {
    until: 'produced',
    mayProduce: true,
    signal: new AbortController().signal,
  });
  const keys = runKeys(prefix, record.id);
  // A process was killed after the admission, perhaps after the purchase.
  expect(await admit(redis, keys, 0, [2])).toEqual(['fresh']);
  await transition(redis, keys, 'cancelled');
  await failQueuedLines(pipeline, prefix, { ...record, state: 'cancelled' }, producer.queues, pipeline.log);
  const lines = [1, 2, 3].map((line) => ({ line }));
  const hasEnded = await endedBits(redis, keys, 0, lines);
  expect(lines.map(({ line }) => hasEnded(line))).toEqual([true, false, true]);
  expect(await redis.hmget(keys.counts, 'failed', 'in_flight', 'bought')).toEqual(['2', '1', '1']);
  const jobs = await producer.queues.submit.getJobs(['wait', 'delayed']);
  expect(jobs.flatMap(({ data }) => decodeChunk(data).lines.map(({ line }) => line))).toContain(2);
});
