import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openManifest } from '../../../src/manifest/index.js';
import { openProducer } from '../../../src/pipeline/open-producer.js';
import { retryFailures } from '../../../src/pipeline/retry.js';
import { followRun } from '../../../src/pipeline/run.js';
import { superviseProducer } from '../../../src/producers/supervise.js';
import { orderedRows, resultRows } from '../../../src/results/order.js';
import type { FailureRow } from '../../../src/results/rows.js';
import { openSink } from '../../../src/results/sink.js';
import { loadRun } from '../../../src/runs/record.js';
import type { RunSummary } from '../../../src/runs/status.js';
import { boughtTasks, line, pipelineTo, runLines, sandbox, tempDir } from '../../pipeline/harness.js';
import { testStores } from './stores.js';

const stores = testStores();

test.each(['s3', 'gs'] as const)(
  '%s: from a prefix to a prefix, failures retried twice, results in order',
  async (scheme) => {
    const store = stores[scheme];
    const text = (from: number) =>
      Array.from({ length: 30 }, (_, n) => {
        // The Gateway does not know this type, and never will.
        const type = n % 3 === 2 ? { type: 'riddle' } : {};
        return `${JSON.stringify(line(from + n, type))}\n`;
      }).join('');
    await store.put('in/a.jsonl', `nonsense\n${text(1)}`);
    await store.put('in/b.jsonl.gz', gzipSync(text(31)));
    const gateway = await sandbox();
    const dir = await tempDir();
    const pipeline = { ...(await pipelineTo(gateway.url)), objectStores: store.stores };
    const { redis, prefix } = pipeline;
    const flags = { out: store.uri('out'), runId: 'r' };
    const first = await runLines(pipeline, dir, store.uri('in/'), flags);
    expect(first.summary).toMatchObject({
      lines: 61,
      settled: 40,
      failures: { invalid_json: 1, rejected: 20 },
    });

    const record = await loadRun(redis, prefix, 'r');
    if (record === null) throw new Error('no run');
    const retry = async () => {
      const producer = openProducer(pipeline, record);
      expect(await retryFailures(producer, record, openSink(record.out, store.stores))).toBe(20);
      const now = (await loadRun(redis, prefix, 'r')) ?? record;
      const outcome = await followRun(
        pipeline,
        { kind: 'go', record: now },
        { signal: new AbortController().signal },
        (_record, signal) =>
          superviseProducer(producer, now, () => openManifest(record.manifest.uri, pipeline), {
            until: 'ended',
            mayProduce: false,
            signal,
          }),
      );
      await producer.close();
      return outcome.summary;
    };
    for (const _time of ['once', 'twice'])
      expect(await retry()).toMatchObject({
        lines: 61,
        settled: 40,
        failures: { invalid_json: 1, rejected: 20 },
      });

    expect(await boughtTasks(gateway.url)).toHaveLength(40);
    const summary = JSON.parse(await store.text('out/summary.json')) as RunSummary;
    expect(summary.parts.map(({ rows }) => rows).reduce((a, b) => a + b)).toBe(61);
    const kept = (await store.keys()).filter((key) => key.startsWith('out/superseded/'));
    const old = (await Promise.all(kept.map((key) => store.text(key)))).join('');
    // Each retry left what had failed before it: 20 lines and the broken one.
    expect(
      old
        .split('\n')
        .filter(Boolean)
        .map((row) => (JSON.parse(row) as FailureRow).error.code),
    ).toHaveLength(42);
    const rows = [];
    for await (const row of orderedRows(
      resultRows(openSink(record.out, store.stores), 'r'),
      record.manifest.sources,
    ))
      rows.push(JSON.parse(row) as { metadata: { n: number }; source: string; line: number });
    expect(rows.map(({ metadata }) => metadata.n)).toEqual(
      Array.from({ length: 60 }, (_, n) => n + 1).filter((n) => n % 3 !== 0),
    );
    expect(rows[20]).toMatchObject({ source: 'b.jsonl.gz', line: 1 });
  },
);

test('a sink that fails in mid-run blocks it, loses nothing, and the run goes on when it is repaired', async () => {
  const store = stores.s3;
  await store.put('m.jsonl', Array.from({ length: 40 }, (_, n) => `${JSON.stringify(line(n))}\n`).join(''));
  const gateway = await sandbox();
  const pipeline = { ...(await pipelineTo(gateway.url)), objectStores: store.stores };
  const dir = await tempDir();
  const flags = { out: store.uri('out'), runId: 'r', partAge: '1s' };
  store.proxy.fault = ({ method, url = '' }) =>
    method === 'PUT' && url.includes('/results-')
      ? { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' }
      : null;
  const blocked = await runLines(pipeline, dir, store.uri('m.jsonl'), flags);
  expect(blocked.blocked).toMatchObject({
    reason: 'sink',
    message: expect.stringContaining('access is denied'),
  });
  store.proxy.fault = () => null;
  const ended = await runLines(pipeline, dir, store.uri('m.jsonl'), flags);
  expect(ended.summary).toMatchObject({ state: 'completed', lines: 40, settled: 40, failed: 0 });
  expect(await boughtTasks(gateway.url)).toHaveLength(40);
});

test.each(['s3', 'gs'] as const)(
  '%s: a run that could not keep its results is refused as bad usage',
  async (scheme) => {
    const store = stores[scheme];
    await store.put('m.jsonl', `${JSON.stringify(line(1))}\n`);
    const pipeline = { ...(await pipelineTo('http://127.0.0.1:1')), objectStores: store.stores };
    const flags = { out: `${scheme}://no-such-bucket/out`, runId: 'r' };
    await expect(runLines(pipeline, await tempDir(), store.uri('m.jsonl'), flags)).rejects.toMatchObject({
      code: 'usage',
      message: `--out: ${scheme}://no-such-bucket: there is no such bucket; nothing was sent`,
    });
    expect(await loadRun(pipeline.redis, pipeline.prefix, 'r')).toBe(null);
  },
);
