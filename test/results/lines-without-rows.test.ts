import { expect, onTestFinished, test } from 'vitest';
import { prepare } from '../../src/pipeline/run.js';
import { openLinesWithoutRows } from '../../src/results/lines-without-rows.js';
import { runKeys } from '../../src/runs/keys.js';
import { acquireLease } from '../../src/runs/lease.js';
import { ingestion, settingsFor } from '../pipeline/harness.js';

test('while a part is missing no line is opened: its rows may be in that part', async () => {
  const { dir, manifest, pipeline } = await ingestion(3);
  const { redis, prefix } = pipeline;
  const { prepared } = await prepare(pipeline, settingsFor(dir, { runId: 'r' }), manifest, dir);
  if (prepared.kind !== 'go') throw new Error('nothing to produce');
  const keys = runKeys(prefix, 'r');
  const lease = await acquireLease(redis, keys);
  if (lease === null) throw new Error('nobody else has it');
  onTestFinished(() => lease.release());
  await redis.setbit(keys.ended(0), 1, 1);
  await redis.rpush(keys.parts, JSON.stringify({ name: 'results-r-00001.jsonl', rows: 1 }));
  await expect(openLinesWithoutRows(pipeline, prepared.record, lease)).rejects.toMatchObject({
    code: 'sink',
    message: 'results-r-00001.jsonl is missing',
    hint: 'put it back',
  });
  expect(await redis.getbit(keys.ended(0), 1)).toBe(1);
});
