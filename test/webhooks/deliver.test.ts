import { expect, onTestFinished, test } from 'vitest';
import { prepare } from '../../src/pipeline/run.js';
import { addPolls } from '../../src/queues/deal.js';
import { openQueues } from '../../src/queues/queues.js';
import { hintsOf } from '../../src/queues/task-index.js';
import { runKeys } from '../../src/runs/keys.js';
import { createDeliverer } from '../../src/webhooks/deliver.js';
import { numbered, pipelineTo, settingsFor, tempDir, writeManifest } from '../pipeline/harness.js';

test('a delivery finds the task of a run that began after the runs were last listed, and wakes its job', async () => {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const { redis, prefix, connection } = pipeline;
  const deliverer = createDeliverer(pipeline, false);
  onTestFinished(() => deliverer.close());
  // The list of runs is kept for a second from now on.
  expect(await deliverer.deliver({ task_id: 'of no run' })).toBe('unknown_task');
  const dir = await tempDir();
  await prepare(pipeline, settingsFor(dir, { runId: 'r' }), await writeManifest(dir, numbered(1)), dir);
  const keys = runKeys(prefix, 'r');
  const queues = openQueues(keys, connection, () => undefined);
  onTestFinished(() => queues.close());
  const now = Date.now();
  const line = { line: 1, text: '{}', task: 'of the run', at: now, awaitsDelivery: true as const };
  await addPolls(redis, keys, queues, 0, [{ line, due: now + 600_000 }]);
  expect(await deliverer.deliver({ task_id: 'of the run' })).toBe('accepted');
  expect(await hintsOf(redis, keys, ['of the run'])).toEqual(new Map([['of the run', '']]));
  expect(await queues.poll.getJobCounts('delayed', 'wait')).toEqual({ delayed: 0, wait: 1 });
  expect(await deliverer.deliver({ task_id: 'of the run' })).toBe('duplicate');
});
