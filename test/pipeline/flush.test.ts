import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { flushAll, flushOnce } from '../../src/results/flush.js';
import { openSink, type Sink } from '../../src/results/sink.js';
import { runKeys } from '../../src/runs/keys.js';
import type { RunRecord } from '../../src/runs/record.js';
import { endLine, settledRow } from './endings.js';
import { pipelineTo, readOut, runPolicyOf, tempDir } from './harness.js';

async function settledRun(lines: number) {
  const dir = await tempDir();
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const record = { id: 'f', sinkId: 's', policy: runPolicyOf(dir) } as RunRecord;
  const keys = runKeys(prefix, record.id);
  const settle = (line: number) => endLine(redis, keys, line, settledRow({ line }));
  for (let line = 1; line <= lines; line += 1) expect(await settle(line)).toBe(true);
  const sink = openSink(path.join(dir, 'out'));
  await sink.claim(record);
  return { dir, redis, prefix, record, keys, sink, settle };
}

test('a line ends once: settling it again appends and counts nothing', async () => {
  const { redis, keys, settle } = await settledRun(3);
  expect(await settle(2)).toBe(false);
  expect(await redis.xlen(keys.results)).toBe(3);
  expect(await redis.hget(keys.counts, 'settled')).toBe('3');
});

test('a crash after the part was written, before the plan was committed: the same part again, once', async () => {
  const { dir, redis, prefix, record, keys, sink, settle } = await settledRun(5);
  const dies: Sink = {
    ...sink,
    async writePart(name, bytes) {
      await sink.writePart(name, bytes);
      throw new Error('killed here');
    },
  };
  await expect(flushOnce({ redis, prefix, sink: dies }, record)).rejects.toThrow('killed here');
  const before = await readFile(path.join(dir, 'out', 'results-f-00001.jsonl'), 'utf8');
  // Rows that settle meanwhile belong to the next part, not to the planned one.
  await settle(6);
  const [part] = await flushOnce({ redis, prefix, sink }, record);
  expect(part).toMatchObject({ name: 'results-f-00001.jsonl', rows: 5, bytes: Buffer.byteLength(before) });
  expect(await readFile(path.join(dir, 'out', 'results-f-00001.jsonl'), 'utf8')).toBe(before);
  expect(await redis.xlen(keys.results)).toBe(1);
  expect((await flushOnce({ redis, prefix, sink }, record))[0]).toMatchObject({
    name: 'results-f-00002.jsonl',
    rows: 1,
  });
  expect(await redis.hget(keys.counts, 'unflushed_bytes')).toBe('0');
  expect((await readOut(path.join(dir, 'out'))).results.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a plan is carried out as it was made: packed or not, whatever the run says since', async () => {
  const { dir, redis, prefix, record, sink } = await settledRun(3);
  const dies: Sink = { ...sink, writePart: () => Promise.reject(new Error('killed here')) };
  await expect(flushOnce({ redis, prefix, sink: dies }, record)).rejects.toThrow('killed here');
  const packed = { ...record, policy: { ...record.policy, compress: true } };
  expect(await flushOnce({ redis, prefix, sink }, packed)).toMatchObject([{ name: 'results-f-00001.jsonl' }]);
  expect((await readOut(path.join(dir, 'out'))).results).toHaveLength(3);
});

test('wide rows reach the sink in small pieces', async () => {
  const { redis, prefix, record, keys, sink } = await settledRun(0);
  const wide = 'w'.repeat(400_000);
  for (let line = 1; line <= 12; line += 1) await endLine(redis, keys, line, settledRow({ line, wide }));
  const sizes: number[] = [];
  const measured: Sink = {
    ...sink,
    async writePart(_name, bytes) {
      for await (const chunk of bytes) sizes.push(chunk.length);
    },
  };
  await flushOnce({ redis, prefix, sink: measured }, record);
  // Three rows are the first to be more than a MiB.
  expect(Math.max(...sizes)).toBeLessThan(3 * 400_100);
});

test('a zombie flusher that wakes after its plan was committed does no harm', async () => {
  const { dir, redis, prefix, record, sink, settle } = await settledRun(4);
  const overtaken: Sink = {
    ...sink,
    async writePart(name, bytes) {
      // Another flusher carries the plan out and commits it before this one has read an entry.
      await flushOnce({ redis, prefix, sink }, record);
      await settle(5);
      await sink.writePart(name, bytes);
    },
  };
  expect(await flushOnce({ redis, prefix, sink: overtaken }, record)).toEqual([]);
  await flushOnce({ redis, prefix, sink }, record);
  const { results } = await readOut(path.join(dir, 'out'));
  expect(results.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5]);
});

/** A plan that was published for entries which have left the stream since. */
const PLAN_OF_GONE_ENTRIES = JSON.stringify({
  ...{ first: '1-0', last: '1-5', count: 6, bytes: 60, results: 6, failures: 0 },
  ...{ resultsPart: 7, failuresPart: 1, compress: false },
});

test('a plan whose entries are gone is dropped, and what waits is written', async () => {
  const { dir, redis, prefix, record, keys, sink } = await settledRun(3);
  await redis.set(keys.plan, PLAN_OF_GONE_ENTRIES);
  await flushAll({ redis, prefix, sink }, record);
  const { results, names } = await readOut(path.join(dir, 'out'));
  expect(results.map(({ line }) => line)).toEqual([1, 2, 3]);
  expect(names).toContain('results-f-00001.jsonl');
  expect(names).not.toContain('results-f-00007.jsonl');
});

test('no plan is published for entries that another flusher has written meanwhile', async () => {
  const { redis, prefix, record, keys, sink } = await settledRun(3);
  const { lrange } = redis;
  let [overtaken, begun] = [false, 0];
  const late: Sink = {
    ...sink,
    writePart(...args) {
      begun += 1;
      return sink.writePart(...args);
    },
  };
  // What a flusher reads last, before it publishes what it has read.
  redis.lrange = (async (...args: Parameters<typeof lrange>) => {
    if (args[0] === keys.parts && !overtaken) {
      overtaken = true;
      await flushOnce({ redis, prefix, sink }, record);
    }
    return lrange.apply(redis, args);
  }) as typeof lrange;
  expect(await flushOnce({ redis, prefix, sink: late }, record)).toEqual([]);
  expect([overtaken, begun]).toEqual([true, 0]);
  expect(await redis.exists(keys.plan)).toBe(0);
});

test('flushAll goes on when another flusher has written what it was at, until nothing waits', async () => {
  const { dir, redis, prefix, record, keys, sink, settle } = await settledRun(4);
  let overtaken = false;
  const slow: Sink = {
    ...sink,
    async writePart(name, bytes, stands) {
      if (!overtaken) {
        overtaken = true;
        await flushOnce({ redis, prefix, sink }, record);
        await settle(5);
      }
      await sink.writePart(name, bytes, stands);
    },
  };
  await flushAll({ redis, prefix, sink: slow }, record);
  expect(await redis.xlen(keys.results)).toBe(0);
  const { results } = await readOut(path.join(dir, 'out'));
  expect(results.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5]);
});

test('a slow flusher does not write over a part of that name that was made after a failover', async () => {
  const { dir, redis, prefix, record, keys, sink, settle } = await settledRun(3);
  const slow: Sink = {
    ...sink,
    // All its bytes are there; then it sleeps, and the plan is lost with the Redis that had it.
    writePart: (name, bytes, stands) =>
      sink.writePart(name, bytes, async () => {
        await redis.del(keys.plan);
        await settle(4);
        await flushOnce({ redis, prefix, sink }, record);
        await stands?.();
      }),
  };
  expect(await flushOnce({ redis, prefix, sink: slow }, record)).toEqual([]);
  const { results } = await readOut(path.join(dir, 'out'));
  expect(results.map(({ line }) => line)).toEqual([1, 2, 3, 4]);
});
