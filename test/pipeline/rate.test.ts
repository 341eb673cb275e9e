import { describe, expect, test } from 'vitest';
import { ingestion, numbered, pipelineTo, runLines, sandbox, tempDir, writeManifest } from './harness.js';

describe('the budget in a run', () => {
  test('429s of an unknown limit cost no line: every one settles, and the pauses are counted', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(150, {
      rateLimit: 60,
      rateLimitKind: 'fixed',
      retryAfter: 'none',
    });
    const { summary } = await runLines(pipeline, dir, manifest);
    expect(summary).toMatchObject({ state: 'completed', settled: 150, failed: 0 });
    expect(summary.rate_limited).toBeGreaterThan(0);
    expect(summary.rate_limited).toBe(gateway.stats().rate_limited);
    expect(summary.backoff_seconds).toBeGreaterThan(0);
    const { gateway_calls } = summary;
    expect(gateway_calls.submit?.[202]).toBe(150);
    expect(gateway_calls.result?.[200]).toBe(150);
  }, 60_000);

  test('--rate holds for submissions and polls together', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(120));
    const pipeline = await pipelineTo(gateway.url, { rate: 80 });
    const { summary } = await runLines(pipeline, dir, manifest);
    expect(summary.settled).toBe(120);
    // Seconds of the clock cut a smooth stream anywhere: one call more than the rate may fall into one.
    expect(gateway.stats().peak_per_second).toBeLessThanOrEqual(81);
  }, 60_000);

  test('faults of the Gateway: 500s and connections cut before and after it acted lose and buy nothing twice', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(60, {
      errorRate: 0.1,
      resetBefore: 0.1,
      resetAfter: 0.1,
    });
    const { summary } = await runLines(pipeline, dir, manifest);
    expect(summary).toMatchObject({ state: 'completed', settled: 60, failed: 0 });
    expect(gateway.stats().tasks).toBe(60);
  }, 90_000);
});
