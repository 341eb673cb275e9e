import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ObjectStoreError } from '../../../src/lib/object-stores/index.js';
import { FEED } from '../../../src/lib/result-file-names.js';
import { forecastReader } from '../../../src/plan/forecast/known.js';
import { flushOnce } from '../../../src/results/flush.js';
import { openSink, type Sink } from '../../../src/results/sink.js';
import { finishRun } from '../../../src/results/write-summary.js';
import { runKeys } from '../../../src/runs/keys.js';
import { createRun, type RunRecord } from '../../../src/runs/record.js';
import type { RunSummary } from '../../../src/runs/status.js';
import { endLine, failedRow, settledRow } from '../../pipeline/endings.js';
import { pipelineTo, runPolicyOf, tempDir } from '../../pipeline/harness.js';
import { BUCKET, type TestStore, testStores } from './stores.js';

const stores = testStores();
const KINDS = ['dir', 's3', 'gs'] as const;
type Kind = (typeof KINDS)[number];

/** A place for results, and a look into it from outside. */
async function placeOf(kind: Kind) {
  const dir = await tempDir();
  const store: TestStore | undefined = kind === 'dir' ? undefined : stores[kind];
  const out = store?.uri('out') ?? path.join(dir, 'out');
  const open = () => openSink(out, store?.stores);
  const names = async () =>
    store ? (await store.keys()).map((key) => key.replace(/^out\//, '')) : readdir(out, { recursive: true });
  const text = (name: string) => (store ? store.text(`out/${name}`) : readFile(path.join(out, name), 'utf8'));
  return { dir, out, open, names, text };
}

async function runAt(place: Awaited<ReturnType<typeof placeOf>>, policy: Partial<RunRecord['policy']> = {}) {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const { redis, prefix } = pipeline;
  const id = `run-${randomBytes(3).toString('hex')}`;
  const wanted: RunRecord = {
    id,
    manifest: { uri: 'file:///m.jsonl', version: 'v', sources: ['m.jsonl'], digest: 'd', count: 1 },
    task: { taskType: 'sentiment', labelSpec: null, consensusThreshold: null, key: 'line' },
    policy: { ...runPolicyOf(place.dir), ...policy },
    gateway: 'http://127.0.0.1:1',
    keyFingerprint: 'f',
    out: place.out,
    sinkId: randomBytes(4).toString('hex'),
    sinkHost: 'host',
    specDigest: 's',
    scope: '',
    state: 'running',
    reason: null,
    message: null,
    startedAt: new Date().toISOString(),
    endedAt: null,
  };
  const { record } = await createRun(redis, prefix, wanted);
  const keys = runKeys(prefix, id);
  const settle = (line: number) => endLine(redis, keys, line, settledRow({ line }));
  const fail = (line: number) => endLine(redis, keys, line, failedRow({ line }, 'rejected'));
  await place.open().claim(record);
  return { pipeline, redis, prefix, record, keys, settle, fail };
}

const once = async function* (text: string) {
  yield Buffer.from(text);
};

/** The steps of a flush and of summing up, each with a sink that dies before or after it. */
const STEPS: Record<string, (sink: Sink) => Partial<Sink>> = {
  'before a part is written': () => ({ writePart: () => Promise.reject(new Error('killed')) }),
  'in the middle of a part': (sink) => ({
    writePart: (name, bytes) =>
      sink.writePart(
        name,
        (async function* () {
          for await (const chunk of bytes) {
            yield chunk.subarray(0, 5);
            throw new Error('killed');
          }
        })(),
      ),
  }),
  'after a part is written': (sink) => ({
    async writePart(name, bytes) {
      await sink.writePart(name, bytes);
      throw new Error('killed');
    },
  }),
  'before the summary': () => ({ writeSummary: () => Promise.reject(new Error('killed')) }),
  'after the summary': (sink) => ({
    async writeSummary(json) {
      await sink.writeSummary(json);
      throw new Error('killed');
    },
  }),
};

describe.each(KINDS)('%s', (kind) => {
  test.each(Object.keys(STEPS))('a crash %s loses no row and repeats none', async (step) => {
    const place = await placeOf(kind);
    const { redis, prefix, record, keys, settle, fail, pipeline } = await runAt(place);
    for (const line of [1, 2, 3]) await settle(line);
    await fail(4);
    await redis.hset(keys.counts, 'lines', 4);
    await redis.hset(keys.cursor, 'produced', 1);
    const sink = place.open();
    const end = async (through: Sink) => {
      const flusher = { redis, prefix, sink: through, forecast: forecastReader(redis, prefix) };
      while ((await flushOnce(flusher, record)).length > 0);
      return finishRun(flusher, record.id, pipeline.log);
    };
    await expect(end({ ...sink, ...STEPS[step]?.(sink) })).rejects.toThrow('killed');
    const early = await place.names();
    if (step !== 'after the summary') expect(early).not.toContain('summary.json');
    expect(await end(place.open())).toBe(true);
    const summary = JSON.parse(await place.text('summary.json')) as RunSummary;
    expect(summary).toMatchObject({ lines: 4, settled: 3, failed: 1, state: 'completed' });
    const parts = [`failures-${record.id}-00001.jsonl`, `results-${record.id}-00001.jsonl`];
    const visible = (await place.names()).filter((name) => !name.startsWith('.'));
    expect(visible).toEqual([FEED, ...parts, 'summary.json']);
    const feed = (await place.text(FEED)).split('\n').filter(Boolean);
    expect(feed.map((row) => JSON.parse(row).name).sort()).toEqual(parts);
    expect(await place.text(parts[1] ?? '')).toBe('{"line":1}\n{"line":2}\n{"line":3}\n');
    expect(await place.text(parts[0] ?? '')).toBe('{"line":4}\n');
  });

  test('parts of their size, packed, are there whole; a summary is the last', async () => {
    const place = await placeOf(kind);
    const { redis, prefix, record, settle } = await runAt(place, { compress: true, partSizeBytes: 30 });
    for (let line = 1; line <= 7; line += 1) await settle(line);
    const sink = place.open();
    const parts = [];
    for (let part = await flushOnce({ redis, prefix, sink }, record); part.length > 0; ) {
      parts.push(...part);
      part = await flushOnce({ redis, prefix, sink }, record);
    }
    expect(parts.map(({ rows }) => rows)).toEqual([3, 3, 1]);
    expect(await sink.listParts(record.id)).toEqual(parts.map(({ name }) => name));
    const chunks = [];
    for await (const chunk of sink.readPart(parts[0]?.name ?? '')) chunks.push(chunk);
    expect(Buffer.concat(chunks)).toHaveLength(parts[0]?.bytes ?? 0);
    expect(gunzipSync(Buffer.concat(chunks)).toString()).toBe('{"line":1}\n{"line":2}\n{"line":3}\n');
  });

  test('a part whose plan another process has carried out meanwhile does not appear', async () => {
    const place = await placeOf(kind);
    const sink = place.open();
    await sink.claim({ id: 'mine', sinkId: '1' });
    const stale = async () => Promise.reject(new Error('the plan is another one'));
    await expect(sink.writePart('results-mine-00001.jsonl', once('{}\n'), stale)).rejects.toThrow('the plan');
    expect(await sink.listParts('mine')).toEqual([]);
  });

  test('a place belongs to one run; what is set aside twice is set aside', async () => {
    const place = await placeOf(kind);
    const [mine, other] = [
      { id: 'mine', sinkId: '1' },
      { id: 'other', sinkId: '2' },
    ];
    const sink = place.open();
    await sink.claim(mine);
    await sink.claim(mine);
    expect([await sink.sees(mine), await place.open().sees(other)]).toEqual([true, false]);
    await expect(place.open().claim(other)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('holds the results of another run, mine'),
    });
    expect(await sink.readSummary()).toBe(null);
    await sink.writePart('failures-mine-00001.jsonl', once('{}\n'));
    await sink.setAside('failures-mine-00001.jsonl');
    expect(await sink.listParts('mine')).toEqual([]);
    expect(await place.text('superseded/failures-mine-00001.jsonl')).toBe('{}\n');
    await sink.writeSummary('{"run_id":"mine"}');
    expect(await sink.readSummary()).toBe('{"run_id":"mine"}');
    await sink.removeSummary();
    await sink.removeSummary();
    expect(await sink.readSummary()).toBe(null);
  });
});

describe.each(['s3', 'gs'] as const)('%s', (kind) => {
  test('an upload whose last request fails leaves nothing, and the same part is written again', async () => {
    const place = await placeOf(kind);
    const { redis, prefix, record, settle } = await runAt(place, { partSizeBytes: 64 << 20 });
    const wide = 'w'.repeat(1 << 20);
    const keys = runKeys(prefix, record.id);
    for (let line = 1; line <= 20; line += 1) await endLine(redis, keys, line, settledRow({ line, wide }));
    const { proxy } = stores[kind];
    proxy.fault = ({ method, url = '', headers }) => {
      const last =
        kind === 's3'
          ? method === 'POST' && url.includes('uploadId=')
          : method === 'PUT' && /\/\d+$/.test(headers['content-range'] ?? '');
      return last ? { status: 400, body: '<Error><Code>BadRequest</Code></Error>' } : null;
    };
    const flusher = { redis, prefix, sink: place.open() };
    await expect(flushOnce(flusher, record)).rejects.toThrow();
    expect(await flusher.sink.listParts(record.id)).toEqual([]);
    proxy.fault = () => null;
    await settle(21);
    const [part] = await flushOnce(flusher, record);
    expect(part).toMatchObject({ rows: 20, name: `results-${record.id}-00001.jsonl` });
    const text = await place.text(part?.name ?? '');
    expect(
      text
        .split('\n')
        .filter(Boolean)
        .map((row) => (JSON.parse(row) as { line: number }).line),
    ).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    // A timeout here would go on into the next test, and take its faults away: the proxy is shared.
  }, 180_000);

  test('a place that may not be written is refused before anything is sent', async () => {
    const place = await placeOf(kind);
    stores[kind].proxy.fault = ({ method }) =>
      method === 'GET' ? null : { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' };
    await expect(place.open().claim({ id: 'a', sinkId: 's' })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/^--out: .*: access is denied( \(.*\))?; nothing was sent$/),
    });
    const nowhere = openSink(`${kind}://no-such-bucket/x`, stores[kind].stores);
    await expect(nowhere.claim({ id: 'a', sinkId: 's' })).rejects.toMatchObject({
      message: expect.stringContaining('there is no such bucket'),
    });
  });
});

test('s3: a conflict with a marker that is being made is waited for, and the run that made it keeps the place', async () => {
  const place = await placeOf('s3');
  await place.open().claim({ id: 'other', sinkId: '2' });
  let [conflicts, looks] = [0, 0];
  stores.s3.proxy.fault = ({ method, url = '' }) => {
    if (!url.includes('.asg-ingest.json')) return null;
    // "409 Conflict" of conditional writes: another request for the key is under way. Its object is not there yet.
    if (method === 'PUT' && conflicts === 0) {
      conflicts += 1;
      return { status: 409, body: '<Error><Code>ConditionalRequestConflict</Code></Error>' };
    }
    if (method !== 'GET' || looks === 2) return null;
    looks += 1;
    return { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' };
  };
  await expect(place.open().claim({ id: 'mine', sinkId: '1' })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('another run, other'),
  });
  expect([conflicts, looks]).toEqual([1, 2]);
  expect(JSON.parse(await place.text('.asg-ingest.json'))).toMatchObject({ run_id: 'other' });
});

test('gs: an upload whose last answer is lost fails without telling where it could be gone on with', async () => {
  const { proxy, store, prefix } = stores.gs;
  proxy.fault = ({ headers }) => (/\/\d+$/.test(headers['content-range'] ?? '') ? { resetAt: 0 } : null);
  async function* wide() {
    for (let n = 0; n < 9; n += 1) yield Buffer.alloc(1 << 20);
  }
  const error = await store
    .write({ bucket: BUCKET, key: `${prefix}x` }, wide())
    .catch((cause: Error) => cause);
  expect(error).toMatchObject({ trouble: 'temporary', message: expect.stringContaining('/upload/') });
  for (let at = error; at instanceof Error; at = at.cause as Error)
    expect(`${at.message} ${at.stack}`).not.toContain('upload_id');
});

test.each([
  ['temporary', true],
  ['denied', false],
] as const)('a store whose trouble is %s is the place of the run: %s', async (trouble, sees) => {
  const failing = {
    of: () => Promise.reject(new ObjectStoreError(trouble, 'no', 'wait')),
    close: async () => undefined,
  };
  expect(await openSink('s3://bucket/out', failing).sees({ id: 'mine', sinkId: '1' })).toBe(sees);
});
