import { expect, onTestFinished, test } from 'vitest';
import { defineScript } from '../../../src/redis/scripts.js';
import { createCallCounter } from '../../../src/runs/call-counts.js';
import { runKeys } from '../../../src/runs/keys.js';
import { CONFIDENCE_STEPS, EXAMPLES, examplesOf } from '../../../src/runs/timeline.js';
import { readShown } from '../../../src/web/pages/read-runs.js';
import { serveHttp } from '../../../src/web/serve.js';
import { endLine, failedRow } from '../../pipeline/endings.js';
import {
  API_KEY,
  line,
  pipelineTo,
  runLines,
  sandbox,
  tempDir,
  writeManifest,
} from '../../pipeline/harness.js';

const takeFailuresBackScript = defineScript(
  new URL('../../../src/runs/scripts/take-failures-back.lua', import.meta.url),
);
const sum = (values: number[]) => values.reduce((total, n) => total + n, 0);

test('what a run was like adds up to its summary, and its pages are served', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const pipeline = await pipelineTo(gateway.url);
  const manifest = await writeManifest(dir, [
    ...Array.from({ length: 60 }, (_, n) => line(n)),
    ...['a', 'b', 'c', 'd'].map((text) => `nonsense ${text}`),
    { data_url: 'ftp://images.example.org/1.jpg' },
  ]);
  const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
  // What a process counts that was refused four times.
  const ledger = createCallCounter(pipeline.redis, runKeys(pipeline.prefix, 'r'), {
    startedAt: summary.started_at,
  });
  for (let n = 0; n < 4; n += 1)
    ledger.record({
      operation: 'submit',
      status: 429,
      durationMs: 1,
      retryAfterMs: null,
      headers: {},
    } as never);
  await ledger.flush();
  const shown = await readShown(pipeline.redis, pipeline.prefix, 'r');
  const all = (of: 'submitted' | 'settled' | 'failed' | 'limited') =>
    sum(shown?.history.columns.map((column) => column[of]) ?? []);
  expect(all('settled')).toBe(summary.settled);
  expect(all('failed')).toBe(summary.failed);
  expect(all('submitted')).toBe(summary.gateway_calls.submit?.[202]);
  expect(all('limited')).toBe(4);
  expect(shown?.status.rate_limited).toBe(4);
  expect(shown?.history.confidences).toHaveLength(CONFIDENCE_STEPS);
  expect(sum(shown?.history.confidences ?? [])).toBe(60);
  expect(sum(shown?.history.settleTimes ?? [])).toBe(60);
  expect(shown?.examples.invalid_json?.map((each) => each.line)).toHaveLength(3);
  expect(shown?.examples.invalid_line).toEqual([
    { line: 65, source: null, stage: 'manifest', message: expect.stringContaining('data_url') },
  ]);

  const settings = { metricsPort: 0, metricsHost: '127.0.0.1' };
  const server = await serveHttp(pipeline, settings, new AbortController().signal);
  onTestFinished(() => server?.close());
  const get = async (path: string) => {
    const answer = await fetch(`${server?.url}${path}`);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  const index = await get('/');
  expect(index.text).toContain('href="runs/r"');
  expect(index.text).toContain('href="queues"');
  expect((await get('/queues')).status).toBe(200);
  expect(index.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(index.headers.get('content-security-policy')).toMatch(
    /^default-src 'none';.*script-src 'sha256-[^']+';/,
  );
  expect(index.headers.get('content-security-policy')).not.toContain('unsafe');
  expect(await get('/runs/r')).toMatchObject({ status: 200, text: expect.stringContaining('Settle times') });
  for (const path of ['/runs/none', '/runs/%3Cscript%3E', '/runs/a%7Db', '/runs/..%2Fr'])
    expect(await get(path), path).toMatchObject({
      status: 404,
      text: expect.stringContaining('No such run'),
    });
  for (const path of ['/', '/runs/r']) expect((await get(path)).text).not.toContain(API_KEY);
});

test('a few failures of each code are kept, and none of a code whose failures were all taken back', async () => {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys = runKeys(prefix, 'r');
  const fail = (n: number, code: string) => {
    const example = { line: n, source: null, stage: 'submit', message: code };
    return endLine(redis, keys, n, failedRow({}, code, { example }));
  };
  for (const n of [1, 2, 3, 4, 5]) await fail(n, 'rejected');
  await fail(6, 'result_timeout');
  const kept = async () => {
    const examples = Object.entries(examplesOf(await redis.hgetall(keys.examples)));
    return Object.fromEntries(examples.map(([code, lines]) => [code, lines.map((each) => each.line)]));
  };
  expect(await kept()).toEqual({ rejected: [1, 2, 3], result_timeout: [6] });
  const takeFailuresBack = (n: number, code: string) =>
    takeFailuresBackScript.run(
      redis,
      [keys.ended(0), keys.counts, keys.failures, keys.results, keys.record, keys.examples],
      ['part', n, EXAMPLES, n - 1, code, ''],
    );
  for (const n of [1, 2, 3, 4, 5]) await takeFailuresBack(n, 'rejected');
  expect(await kept()).toEqual({ result_timeout: [6] });
});
