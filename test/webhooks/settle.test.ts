import { expect, test } from 'vitest';
import type { Pipeline } from '../../src/pipeline/pipeline.js';
import { runKeys, TASK_BUCKETS } from '../../src/runs/keys.js';
import {
  boughtTasks,
  line,
  pipelineTo,
  readOut,
  runLines,
  sandbox,
  tempDir,
  until,
  writeManifest,
} from '../pipeline/harness.js';
import { deliveryOf, outcomes, post, sign, takeWebhooks } from './harness.js';

/** Polls come later than any test ends. So a line that settles was reported by a delivery. */
const LATE = { pollDelay: '30s', pollMaxDelay: '60s', poll: 'fixed' };
/** The safety net after 24 × 40 ms. */
const SOON = { pollDelay: '40ms', pollMaxDelay: '100ms', poll: 'fixed' };

const lines = (n: number) => Array.from({ length: n }, (_, index) => line(index + 1));
const settledBy = (rows: { settled_by: string }[]) => [...new Set(rows.map((row) => row.settled_by))];

/** Nothing of the index or the hints is left once a run has ended. */
async function expectNoTraces(pipeline: Pipeline, runId: string) {
  const keys = runKeys(pipeline.prefix, runId);
  const tasks = Array.from({ length: TASK_BUCKETS }, (_, bucket) => keys.tasks(bucket));
  expect(await pipeline.redis.exists(keys.hints, ...tasks)).toBe(0);
}

test('every line is collected by one poll, when its delivery comes', async () => {
  const gateway = await sandbox({ settle: { minMs: 0, maxMs: 300 } });
  const pipeline = await pipelineTo(gateway.url);
  await takeWebhooks(pipeline);
  const dir = await tempDir();
  const manifest = await writeManifest(dir, lines(100));
  const { summary, out } = await runLines(pipeline, dir, manifest, LATE);
  expect(summary).toMatchObject({ settled: 100, failed: 0, polls_per_label: 1 });
  const { results } = await readOut(out);
  expect(settledBy(results)).toEqual(['webhook']);
  expect(results.every((row) => row.cost_sats !== null && row.worker_count !== null)).toBe(true);
  await expectNoTraces(pipeline, summary.run_id);
});

test('a trusted delivery is the result; the Gateway is not asked', async () => {
  const gateway = await sandbox({ settle: { minMs: 0, maxMs: 300 } });
  const pipeline = await pipelineTo(gateway.url);
  await takeWebhooks(pipeline, { webhookTrust: true });
  const dir = await tempDir();
  const { summary, out } = await runLines(pipeline, dir, await writeManifest(dir, lines(100)), LATE);
  expect(summary).toMatchObject({ settled: 100, failed: 0, polls_per_label: 0 });
  const { results } = await readOut(out);
  const [row] = results;
  expect(row).toMatchObject({
    status: 'settled',
    consensus_label: expect.stringMatching(/cat|dog|bird/),
    confidence: expect.any(Number),
    bsv_txid: expect.any(String),
    settled_at: expect.any(String),
    worker_count: null,
    agreement_count: null,
    cost_sats: null,
    created_at: null,
    settled_by: 'webhook',
  });
  await expectNoTraces(pipeline, summary.run_id);
});

test.each([false, true])(
  'lost, doubled, early and forged deliveries, two lines on one task: every line settles once (trust: %s)',
  async (webhookTrust) => {
    const gateway = await sandbox({
      settle: { minMs: 0, maxMs: 200 },
      latencyAfter: { minMs: 0, maxMs: 100 },
      webhookDrop: 0.3,
      webhookDuplicate: 0.2,
    });
    const pipeline = await pipelineTo(gateway.url);
    const webhooks = await takeWebhooks(pipeline, { webhookTrust });
    const dir = await tempDir();
    // Two lines each that are one task by their content.
    const twice = lines(60).flatMap((each) => [each, { ...each, metadata: { again: true } }]);
    const running = runLines(pipeline, dir, await writeManifest(dir, twice), { ...SOON, key: 'content' });
    await until(async () => (await boughtTasks(gateway.url)).length > 20, 'tasks');
    for (const { task_id } of (await boughtTasks(gateway.url)).slice(0, 20)) {
      const forged = deliveryOf(task_id, { consensus_label: 'forged' });
      expect(await post(webhooks.url, forged, { 'x-asg-signature': sign(forged, 'guess') })).toMatchObject({
        status: 401,
      });
    }
    const { summary, out } = await running;
    expect(summary).toMatchObject({ lines: 120, settled: 120, failed: 0, state: 'completed' });
    const { results } = await readOut(out);
    expect(new Set(results.map((row) => row.line)).size).toBe(120);
    expect(Object.keys(summary.labels)).not.toContain('forged');
    const tasks = new Set(results.map((row) => row.task_id));
    expect(tasks.size).toBe(60);
    expect((await boughtTasks(gateway.url)).length).toBe(60);
    expect(settledBy(results).sort()).toEqual(['poll', 'webhook']);
    const counted = await outcomes(pipeline);
    expect(counted.bad_signature).toBe(20);
    expect(counted.accepted).toBeGreaterThan(0);
    expect(counted.duplicate).toBeGreaterThan(0);
    await expectNoTraces(pipeline, summary.run_id);
  },
);

test('a delivery that comes before the submission was answered settles its line', async () => {
  const gateway = await sandbox({
    settle: { minMs: 0, maxMs: 0 },
    latencyAfter: { minMs: 3_000, maxMs: 3_000 },
  });
  const pipeline = await pipelineTo(gateway.url);
  await takeWebhooks(pipeline);
  const dir = await tempDir();
  const { summary } = await runLines(pipeline, dir, await writeManifest(dir, lines(20)), LATE);
  expect(summary).toMatchObject({ settled: 20, polls_per_label: 1 });
  await expect.poll(() => outcomes(pipeline)).toEqual({ unknown_task: 20 });
}, 120_000);

test('any process may take the delivery of any line', async () => {
  const gateway = await sandbox({ settle: { minMs: 300, maxMs: 500 } });
  const working = await pipelineTo(gateway.url);
  const taking = await pipelineTo(gateway.url, { prefix: working.prefix });
  const webhooks = await takeWebhooks(taking);
  working.webhooks = { callbackUrl: webhooks.url };
  const dir = await tempDir();
  const manifest = await writeManifest(dir, lines(50));
  const { summary } = await runLines(working, dir, manifest, LATE);
  expect(summary).toMatchObject({ settled: 50, polls_per_label: 1 });
  await expect.poll(() => outcomes(taking)).toEqual({ accepted: 50 });
  expect(await outcomes(working)).toEqual({});
});

test('a process without --webhook-url still looks for what deliveries said', async () => {
  const gateway = await sandbox({ settle: { minMs: 1_000, maxMs: 1_200 } });
  const submitting = await pipelineTo(gateway.url);
  await takeWebhooks(submitting, { webhookTrust: true });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, lines(30));
  const stop = new AbortController();
  const first = runLines(submitting, dir, manifest, LATE, stop.signal);
  await until(async () => (await boughtTasks(gateway.url)).length === 30, 'all submitted');
  stop.abort();
  await first;
  const other = await pipelineTo(gateway.url, { prefix: submitting.prefix });
  const { summary } = await runLines(other, dir, manifest, LATE);
  expect(summary).toMatchObject({ settled: 30, failed: 0, polls_per_label: 0 });
  await expectNoTraces(submitting, summary.run_id);
});

test('a webhook that was deleted blocks the run and fails no line; started again, it is registered again', async () => {
  const gateway = await sandbox({ settle: { minMs: 0, maxMs: 50 } });
  const pipeline = await pipelineTo(gateway.url);
  const webhooks = await takeWebhooks(pipeline);
  for (const { webhook_id } of await pipeline.client.listWebhooks())
    await pipeline.client.deleteWebhook(webhook_id);
  const dir = await tempDir();
  const manifest = await writeManifest(dir, lines(10));
  const { summary, blocked } = await runLines(pipeline, dir, manifest, LATE);
  expect(blocked).toMatchObject({
    reason: 'wrong_endpoint',
    message: expect.stringContaining('--webhook-url'),
  });
  expect(summary).toMatchObject({ failed: 0 });
  await webhooks.close();
  await takeWebhooks(pipeline);
  expect((await runLines(pipeline, dir, manifest, LATE)).summary).toMatchObject({ settled: 10, failed: 0 });
});
