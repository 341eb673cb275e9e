import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { runs } from '../../src/cli/commands/runs.js';
import type { Pipeline } from '../../src/pipeline/pipeline.js';
import { prepare } from '../../src/pipeline/run.js';
import { openSink, type Sink } from '../../src/results/sink.js';
import { runKeys } from '../../src/runs/keys.js';
import { readRun } from '../../src/runs/read-status.js';
import { callMain } from '../cli/harness.js';
import {
  boughtTasks,
  ingestion,
  numbered,
  pipelineTo,
  readOut,
  runLines,
  sandbox,
  settingsFor,
  storeFlags,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

/** Several runs each, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

const prune = async (pipeline: Pipeline, dir: string) => {
  const store = storeFlags(pipeline);
  return callMain(['runs', '--prune', ...store], { runs }, { cwd: dir });
};

const keysOf = async ({ redis, prefix }: Pipeline) => redis.keys(`{${prefix}:r}*`);

describe("a second host, where the run's --out is another directory of the same path", () => {
  test('takes part, writes nothing there, and all parts are on the first', async () => {
    const gateway = await sandbox({ settle: { minMs: 50, maxMs: 300 } });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(120));
    const [first, second] = [path.join(dir, 'out'), path.join(dir, 'out-of-the-second')];
    const one = await pipelineTo(gateway.url);
    const two = await pipelineTo(gateway.url, { prefix: one.prefix });
    const flags = { runId: 'r', partSize: '4KiB', partAge: '1s' };
    await prepare(one, settingsFor(dir, flags), manifest, dir);
    // Another host claimed the place, as the second one sees it.
    await one.redis.hset(runKeys(one.prefix, 'r').record, 'sink_host', 'the-first');
    const there = { ...two, openSink: () => openSink(second) };
    const [a, b] = await Promise.all([
      runLines(one, dir, manifest, flags),
      runLines(there, dir, manifest, flags),
    ]);
    expect(a.summary).toMatchObject({ state: 'completed', settled: 120 });
    expect(b.summary).toEqual(a.summary);
    expect(existsSync(second)).toBe(false);
    const { results, names } = await readOut(first);
    expect(new Set(results.map((row) => row.line)).size).toBe(120);
    expect(names.filter((name) => name.startsWith('results-')).length).toBe(a.summary.parts.length);
  });

  test('alone, it lets results wait, and claims nothing', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(10);
    await prepare(pipeline, settingsFor(dir, { runId: 'r' }), manifest, dir);
    await pipeline.redis.hset(runKeys(pipeline.prefix, 'r').record, 'sink_host', 'the-first');
    const second = path.join(dir, 'out-of-the-second');
    const stop = new AbortController();
    const there = { ...pipeline, openSink: () => openSink(second) };
    const running = runLines(there, dir, manifest, { runId: 'r', partAge: '1s' }, stop.signal);
    await until(
      async () => (await readRun(pipeline.redis, pipeline.prefix, 'r'))?.unflushed.rows === 10,
      'rows',
    );
    stop.abort();
    await running;
    expect(existsSync(second)).toBe(false);
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
    expect(summary).toMatchObject({ state: 'completed', settled: 10 });
    expect((await boughtTasks(gateway.url)).length).toBe(10);
  });
});

describe('`runs --prune` beside a run that is started again', () => {
  /** Calls `prune` once, right after the client was asked for this. */
  function pruneAfter(
    pipeline: Pipeline,
    name: Command,
    word: string,
    dir: string,
  ): { pruned: () => boolean } {
    const { redis } = pipeline;
    const call = redis[name] as (...args: unknown[]) => Promise<unknown>;
    let [begun, done] = [false, false];
    Object.assign(redis, {
      async [name](...args: unknown[]) {
        const answer = await call.apply(redis, args);
        if (!begun && args.some((each) => String(each).endsWith(word))) {
          begun = true;
          const { stderr } = await prune({ ...pipeline }, dir);
          done = stderr.includes('1 ended runs forgotten');
        }
        return answer;
      },
    });
    return { pruned: () => done };
  }
  type Command = 'zadd' | 'hmget' | 'set' | 'exists';

  test.each<[when: string, name: Command, word: string, parts: 'with parts' | 'without parts']>([
    ['it was found on record', 'zadd', ':runs', 'with parts'],
    ['its policy is to be put there', 'hmget', 'policy', 'with parts'],
    ['it is about to be made ready', 'hmget', 'ready', 'with parts'],
    ['it is somebody’s to make ready', 'set', ':lease', 'with parts'],
    ['it is about to be rebuilt', 'exists', ':run', 'with parts'],
    ['it has nothing to rebuild', 'exists', ':run', 'without parts'],
  ])(
    'when %s: it is told as it ended, nothing is left of it and nothing sent',
    async (_when, name, word, parts) => {
      const { gateway, dir, manifest, pipeline } = await ingestion(5);
      const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
      const { calls } = gateway.stats();
      // As a run is that was put on record and not made ready: whoever comes next does that.
      if (word !== ':runs') await pipeline.redis.hdel(runKeys(pipeline.prefix, 'r').record, 'ready');
      if (parts === 'without parts') await rm(path.join(dir, 'out', 'results-r-00001.jsonl'));
      const { pruned } = pruneAfter(pipeline, name, word, dir);
      const { prepared } = await prepare(pipeline, settingsFor(dir, { runId: 'r' }), manifest, dir);
      expect(pruned()).toBe(true);
      expect(prepared).toMatchObject({ kind: 'ended', summary });
      expect(await keysOf(pipeline)).toEqual([]);
      expect(gateway.stats().calls).toEqual(calls);
    },
  );

  test('a run that somebody sums up or retries just now is left alone', async () => {
    const { dir, manifest, pipeline } = await ingestion(3);
    await runLines(pipeline, dir, manifest, { runId: 'r' });
    const { tally } = runKeys(pipeline.prefix, 'r');
    await pipeline.redis.set(tally, 'of a retry', 'PX', 60_000);
    expect((await prune(pipeline, dir)).stderr).toContain('0 ended runs forgotten');
    expect(await readRun(pipeline.redis, pipeline.prefix, 'r')).not.toBeNull();
    await pipeline.redis.del(tally);
    expect((await prune(pipeline, dir)).stderr).toContain('1 ended runs forgotten');
    expect(await keysOf(pipeline)).toEqual([]);
  });
});

test('a process that slept while it rebuilt a run, and wakes when another has: nothing is counted twice, no line opened', async () => {
  const gateway = await sandbox({ quota: 30 });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(40));
  const before = await pipelineTo(gateway.url);
  const flags = { runId: 'r', partSize: '4KiB' };
  await runLines(before, dir, manifest, flags);
  const rowsBefore = (await readOut(path.join(dir, 'out'))).results.length;
  expect(rowsBefore).toBe(30);
  gateway.set({ quota: 100 });
  // A Redis that knows nothing of it.
  const [one, two] = [await pipelineTo(gateway.url), await pipelineTo(gateway.url)];
  const other = { ...two, prefix: one.prefix };
  const keys = runKeys(one.prefix, 'r');
  const good = openSink(path.join(dir, 'out'));
  let slept = false;
  const sleeper: Sink = {
    ...good,
    async *readPart(name) {
      for await (const chunk of good.readPart(name)) yield chunk;
      if (slept || !name.startsWith('results-')) return;
      slept = true;
      // Its lease has run out: another process rebuilds the run and goes on with it to its end.
      await one.redis.del(keys.lease);
      const { summary } = await runLines(other, dir, manifest, flags);
      expect(summary).toMatchObject({ state: 'completed', settled: 40 });
    },
  };
  const { summary } = await runLines({ ...one, openSink: () => sleeper }, dir, manifest, flags);
  expect(slept).toBe(true);
  expect(summary).toMatchObject({ state: 'completed', lines: 40, settled: 40, failed: 0 });
  const status = (await readRun(one.redis, one.prefix, 'r', { withParts: true }))?.status;
  expect(status).toMatchObject({ lines: 40, settled: 40, failed: 0 });
  expect(status?.parts.reduce((sum, part) => sum + part.rows, 0)).toBe(40);
  expect(await one.redis.bitcount(keys.ended(0))).toBe(40);
  expect((await boughtTasks(gateway.url)).length).toBe(40);
});
