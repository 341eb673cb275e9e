import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openManifest } from '../../src/manifest/index.js';
import { openProducer } from '../../src/pipeline/open-producer.js';
import { retryFailures } from '../../src/pipeline/retry.js';
import { forecastReader } from '../../src/plan/forecast/known.js';
import type { Producer } from '../../src/producers/producer.js';
import { reopenManifest } from '../../src/producers/reopen-manifest.js';
import { decodeChunk } from '../../src/queues/chunk.js';
import { failedEnding, rejectedEnding } from '../../src/results/endings.js';
import { flushOnce } from '../../src/results/flush.js';
import { openSink, type Sink } from '../../src/results/sink.js';
import { finishRun } from '../../src/results/write-summary.js';
import { runKeys } from '../../src/runs/keys.js';
import { createRun, type RunRecord } from '../../src/runs/record.js';
import { transition } from '../../src/runs/transition.js';
import { endLine } from './endings.js';
import { numbered, pipelineTo, readOut, runPolicyOf, tempDir, writeManifest } from './harness.js';

const LABEL_SPEC = { question: 'Which?', options: ['cat', 'dog'] };
const FAILURE = { code: 'retries_exhausted', message: 'no', stage: 'submit', attempts: 1 } as const;

/** A run whose every line has failed: line 1 is no item, the others were given up. */
async function failedRun(lines = 5) {
  const dir = await tempDir();
  const out = path.join(dir, 'out');
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const { redis, prefix, log } = pipeline;
  const wanted: RunRecord = {
    id: 'r',
    manifest: { uri: 'file:///m.jsonl', version: 'v', sources: ['m.jsonl'], digest: 'd', count: 1 },
    task: { taskType: 'classification', labelSpec: LABEL_SPEC, consensusThreshold: null, key: 'line' },
    policy: runPolicyOf(dir),
    gateway: pipeline.origin,
    keyFingerprint: pipeline.keyFingerprint,
    out,
    sinkId: 's',
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
  const keys = runKeys(prefix, record.id);
  const sink = openSink(out);
  await sink.claim(record);
  await redis.hset(keys.counts, 'lines', lines);
  await redis.hset(keys.cursor, 'produced', 1);
  // Two lines to a job, so that a retry can be cut off between two of them.
  const producer = { ...openProducer(pipeline, record), linesPerChunk: async () => 2 };
  onTestFinished(() => producer.close());
  const problem = { code: 'invalid_json', message: 'no' } as const;
  await endLine(redis, keys, 1, rejectedEnding(record, 0, { line: 1, problem, input: '"x"' }));
  const fail = (line: number) => {
    const text = JSON.stringify({ data_url: `https://x.example/${line}` });
    return endLine(redis, keys, line, failedEnding(record, 0, { line, text }, FAILURE));
  };
  for (let line = 2; line <= lines; line += 1) await fail(line);
  const flusher = { redis, prefix, sink, forecast: forecastReader(redis, prefix) };
  const end = async () => {
    while ((await flushOnce(flusher, record)).length > 0);
    return finishRun(flusher, record.id, log);
  };
  const queued = async () => {
    const jobs = await producer.queues.submit.getJobs(['wait', 'prioritized']);
    return jobs.flatMap(({ data }) => decodeChunk(data).lines.map(({ line }) => line)).sort((a, b) => a - b);
  };
  return { dir, out, redis, record, keys, sink, producer, flusher, log, fail, end, queued };
}

type Fixture = Awaited<ReturnType<typeof failedRun>>;
const killed = () => Promise.reject(new Error('killed'));

/** A retry that dies at each of its steps. */
const STEPS: Record<string, (run: Fixture) => [Producer, Sink]> = {
  'before the summary is gone': ({ producer, sink }) => [producer, { ...sink, removeSummary: killed }],
  'before a line is queued': ({ producer, sink }) => [{ ...producer, queues: dying(producer, 0) }, sink],
  'in the middle of the lines': ({ producer, sink }) => [{ ...producer, queues: dying(producer, 1) }, sink],
  'before the part is set aside': ({ producer, sink }) => [producer, { ...sink, setAside: killed }],
  'after the part is set aside': ({ producer, sink }) => [
    producer,
    {
      ...sink,
      async setAside(name) {
        await sink.setAside(name);
        await killed();
      },
    },
  ],
};

/** Queues that die after so many jobs. */
function dying({ queues }: Producer, jobs: number): Producer['queues'] {
  const submit = new Proxy(queues.submit, {
    get(target, name) {
      if (name !== 'addBulk') return Reflect.get(target, name);
      return async (all: Parameters<typeof target.addBulk>[0]) => {
        await target.addBulk(all.slice(0, jobs));
        await killed();
      };
    },
  });
  return { ...queues, submit };
}

test('a cancel that comes while the summary is written stands, in the record and in the summary', async () => {
  const { redis, record, keys, sink, flusher, log } = await failedRun();
  while ((await flushOnce(flusher, record)).length > 0);
  const states: string[] = [];
  const interrupted = {
    ...sink,
    async writeSummary(json: string) {
      states.push((JSON.parse(json) as { state: string }).state);
      await sink.writeSummary(json);
      await transition(redis, keys, 'cancelled');
    },
  };
  expect(await finishRun({ ...flusher, sink: interrupted }, record.id, log)).toBe(true);
  expect(states).toEqual(['completed', 'cancelled']);
  expect(await redis.hget(keys.record, 'state')).toBe('cancelled');
});

describe('retry', () => {
  test.each(Object.keys(STEPS))(
    'cut off %s, and repeated: each failure once more, none twice',
    async (step) => {
      const run = await failedRun();
      expect(await run.end()).toBe(true);
      const [producer, sink] = STEPS[step]?.(run) ?? [run.producer, run.sink];
      await expect(retryFailures(producer, run.record, sink)).rejects.toThrow('killed');
      await retryFailures(run.producer, run.record, run.sink);
      expect(await run.queued()).toEqual([2, 3, 4, 5]);
      expect(await run.end()).toBe(false);
      for (const line of await run.queued()) await run.fail(line);
      await run.producer.queues.submit.drain();
      expect(await run.end()).toBe(true);
      const { failures, summary, names } = await readOut(run.out);
      expect(summary).toMatchObject({
        lines: 5,
        failed: 5,
        failures: { invalid_json: 1, retries_exhausted: 4 },
      });
      expect(failures.map(({ line }) => line).sort()).toEqual([1, 2, 3, 4, 5]);
      expect(names).not.toContain('failures-r-00001.jsonl');
      expect((await readOut(path.join(run.out, 'superseded'))).failures).toHaveLength(5);
    },
  );

  test('of a cancelled run takes its summary away: the run has not ended any more', async () => {
    const run = await failedRun();
    const { redis, keys, sink } = run;
    await transition(redis, keys, 'cancelled');
    expect(await run.end()).toBe(true);
    expect(JSON.parse((await sink.readSummary()) ?? '')).toMatchObject({ state: 'cancelled' });
    expect(await retryFailures(run.producer, run.record, sink)).toBe(4);
    expect(await sink.readSummary()).toBe(null);
    expect(await redis.hget(keys.record, 'state')).toBe('running');
  });

  test('takes no part that its flush has not committed, and leaves no line in two', async () => {
    const run = await failedRun();
    const dies: Sink = {
      ...run.sink,
      async writePart(name, bytes) {
        await run.sink.writePart(name, bytes);
        await killed();
      },
    };
    await expect(flushOnce({ ...run.flusher, sink: dies }, run.record)).rejects.toThrow('killed');
    expect(await retryFailures(run.producer, run.record, run.sink)).toBe(4);
    for (const line of await run.queued()) await run.fail(line);
    await run.producer.queues.submit.drain();
    expect(await run.end()).toBe(true);
    expect((await readOut(run.out)).failures.map(({ line }) => line).sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('keeps the run from being summed up while it is at it', async () => {
    const run = await failedRun();
    expect(await run.end()).toBe(true);
    const looks: boolean[] = [];
    const watched: Sink = {
      ...run.sink,
      async *readPart(name) {
        // All lines have ended still; a consumer elsewhere looks whether to sum up.
        looks.push(await run.end());
        yield* run.sink.readPart(name);
      },
    };
    expect(await retryFailures(run.producer, run.record, watched)).toBe(4);
    expect(looks).toEqual([false, false]);
    expect(await run.sink.readSummary()).toBe(null);
  });

  test('that somebody cancels on its way stays cancelled', async () => {
    const run = await failedRun();
    while ((await flushOnce(run.flusher, run.record)).length > 0);
    // Two parts of failures: the cancel comes between them.
    await run.fail(6);
    await run.redis.hset(run.keys.counts, 'lines', 6);
    expect(await run.end()).toBe(true);
    const { redis, keys, sink } = run;
    let parts = 0;
    const cancelling: Sink = {
      ...sink,
      async setAside(name) {
        await sink.setAside(name);
        parts += 1;
        if (parts === 1) expect(await transition(redis, keys, 'cancelled')).toBe('cancelled');
      },
    };
    expect(await retryFailures(run.producer, run.record, cancelling)).toBe(5);
    expect([parts, await redis.hget(keys.record, 'state')]).toEqual([2, 'cancelled']);
  });

  test('says so where the results are not to be seen', async () => {
    const run = await failedRun();
    const elsewhere = openSink(path.join(run.dir, 'elsewhere'));
    await expect(retryFailures(run.producer, run.record, elsewhere)).rejects.toMatchObject({ code: 'sink' });
  });
});

describe('a run is not summed up', () => {
  test('when a retry was cut off, or a part is missing: it says which', async () => {
    const run = await failedRun();
    expect(await run.end()).toBe(true);
    const [producer, sink] = STEPS['in the middle of the lines']?.(run) ?? [run.producer, run.sink];
    await expect(retryFailures(producer, run.record, sink)).rejects.toThrow('killed');
    expect(await run.queued()).toEqual([2, 3]);
    for (const line of [2, 3, 4, 5]) await run.fail(line);
    await run.producer.queues.submit.drain();
    await expect(run.end()).rejects.toMatchObject({
      code: 'sink',
      message: 'the parts hold 10 rows, and 5 lines have ended',
      hint: expect.stringContaining('asg-ingest retry r'),
    });
    await retryFailures(run.producer, run.record, run.sink);
    for (const line of await run.queued()) await run.fail(line);
    await run.producer.queues.submit.drain();
    while ((await flushOnce(run.flusher, run.record)).length > 0);
    const [name = ''] = await run.sink.listParts('r');
    await run.sink.setAside(name);
    await expect(run.end()).rejects.toMatchObject({ code: 'sink', message: `${name} is missing` });
  });

  test.each(['paused', 'blocked'])('while it is %s', async (state) => {
    const run = await failedRun();
    await run.redis.hset(run.keys.record, 'state', state);
    expect(await run.end()).toBe(false);
    await run.redis.hset(run.keys.record, 'state', 'running');
    expect(await run.end()).toBe(true);
  });

  test('once only; but again when that was cut off before it was on record', async () => {
    const run = await failedRun();
    expect([await run.end(), await run.end()]).toEqual([true, false]);
    await run.redis.hdel(run.keys.record, 'summed_up');
    expect(await run.end()).toBe(true);
  });
});

test('lines of a manifest that has changed since are not taken for those that are missing', async () => {
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(3));
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const { uri, version } = await openManifest(manifest);
  const record = { manifest: { uri, version, sources: [], digest: 'd', count: 0 } };
  expect((await reopenManifest(pipeline, record)).version).toBe(version);
  await writeManifest(dir, numbered(4));
  await expect(reopenManifest(pipeline, record)).rejects.toMatchObject({ code: 'source_changed' });
});
