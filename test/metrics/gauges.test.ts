import { expect, test } from 'vitest';
import { createPendingAge } from '../../src/metrics/pending-age.js';
import { collectGauges } from '../../src/web/metrics/collect.js';
import { line, pipelineTo, runLines, sandbox, tempDir, writeManifest } from '../pipeline/harness.js';

const samples = (text: string, name: string) =>
  new Map(
    text
      .split('\n')
      .filter((row) => row.startsWith(`${name}{`) || row.startsWith(`${name} `))
      .map((row) => [
        row.slice(name.length, row.lastIndexOf(' ')),
        Number(row.slice(row.lastIndexOf(' ') + 1).replace('Inf', 'Infinity')),
      ]),
  );

test('gauges hold what the run has, read by a process that did none of it', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, ['nonsense', line(1), line(2), line(3)]);
  const pipeline = await pipelineTo(gateway.url);
  const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
  const other = await pipelineTo(gateway.url, { prefix: pipeline.prefix });
  const stranger = await pipelineTo(gateway.url, { prefix: pipeline.prefix, apiKey: 'sk_sandbox_other' });
  await Promise.all([collectGauges(other), collectGauges(stranger)]);
  const text = await other.metrics.registry.metrics();
  const of = (name: string) => Object.fromEntries(samples(text, `asg_ingest_${name}`));
  expect(of('run_lines')).toEqual({
    '{run="r",state="total"}': 4,
    '{run="r",state="queued"}': 0,
    '{run="r",state="in_flight"}': 0,
    '{run="r",state="settled"}': 3,
    '{run="r",state="failed"}': 1,
    '{run="r",state="unchanged"}': 0,
  });
  expect(of('run_failures')).toEqual({ '{run="r",code="invalid_json"}': 1 });
  expect(of('run_cost_sats')).toEqual({ '{run="r"}': summary.cost_sats });
  expect(of('run_state')['{run="r",state="completed"}']).toBe(1);
  expect(of('run_gateway_calls')['{run="r",operation="submit",status="202"}']).toBe(3);
  expect(of('queue_jobs')['{queue="submit",state="waiting"}']).toBe(0);
  // No limit has been met: the search begins at a modest rate.
  expect(of('gateway_rate_limit')['']).toBeGreaterThan(0);
  expect(Object.values(of('redis_memory_bytes'))[0]).toBeGreaterThan(500_000);
  // Another key's runs are not this process' to tell of.
  expect(await stranger.metrics.registry.metrics()).not.toContain('run="r"');
});

test('two scrapes at once read Redis once', async () => {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  expect(collectGauges(pipeline)).toBe(collectGauges(pipeline));
  await collectGauges(pipeline);
});

test('the oldest age is forgotten when it has not been seen for two windows', () => {
  let now = 1_000_000_000;
  const oldest = createPendingAge(() => now);
  oldest.see(5_000);
  oldest.see(3_000);
  expect(oldest.ms()).toBe(5_000);
  now += 120_000;
  expect(oldest.ms()).toBe(5_000);
  now += 120_000;
  expect(oldest.ms()).toBe(0);
});
