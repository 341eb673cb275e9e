import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { cancel } from '../../src/cli/commands/control.js';
import { produce } from '../../src/cli/commands/produce.js';
import type { Pipeline } from '../../src/pipeline/pipeline.js';
import { prepare } from '../../src/pipeline/run.js';
import { workRuns } from '../../src/pipeline/work.js';
import { type RunKeys, runKeys } from '../../src/runs/keys.js';
import { readRun } from '../../src/runs/read-status.js';
import { transition } from '../../src/runs/transition.js';
import { callMain } from '../cli/harness.js';
import { TASK } from './cli.js';
import {
  API_KEY,
  boughtTasks,
  ingestion,
  line,
  linesIn,
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

/** On a machine that may be busy; what is stuck has no end. */
vi.setConfig({ testTimeout: 120_000 });

/** The run on record and its sink claimed, with nothing read. */
async function prepared(pipeline: Pipeline, dir: string, manifest: string): Promise<RunKeys> {
  await prepare(pipeline, settingsFor(dir, { runId: 'r' }), manifest, dir);
  return runKeys(pipeline.prefix, 'r');
}

const linesOf = async (dir: string) =>
  (await readOut(path.join(dir, 'out'))).results.map((row) => row.line).sort((a, b) => a - b);

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

test('a flush plan that nobody can carry out does not keep a run from its end', async () => {
  const { dir, manifest, pipeline } = await ingestion(10);
  const keys = await prepared(pipeline, dir, manifest);
  const gone = { first: '1-0', last: '1-5', count: 6, bytes: 60, results: 6, failures: 0 };
  await pipeline.redis.set(
    keys.plan,
    JSON.stringify({ ...gone, resultsPart: 3, failuresPart: 1, compress: false }),
  );
  const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
  expect(summary).toMatchObject({ state: 'completed', lines: 10, settled: 10 });
  expect(await linesOf(dir)).toEqual(upTo(10));
});

describe('a run whose counts are wrong finds that out at its end', () => {
  test('more lines counted than there are', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(20);
    const keys = await prepared(pipeline, dir, manifest);
    await pipeline.redis.hincrby(keys.counts, 'lines', 150);
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
    expect(summary).toMatchObject({ state: 'completed', lines: 20, settled: 20, failed: 0 });
    expect(gateway.stats().tasks).toBe(20);
  });

  test('fewer settled than there are rows, and lines in flight that are not', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(20);
    const keys = await prepared(pipeline, dir, manifest);
    await pipeline.redis.hincrby(keys.counts, 'settled', -7);
    await pipeline.redis.hincrby(keys.counts, 'in_flight', 3);
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
    expect(summary).toMatchObject({ state: 'completed', lines: 20, settled: 20, failed: 0 });
    expect(gateway.stats().tasks).toBe(20);
    expect((await readRun(pipeline.redis, pipeline.prefix, 'r'))?.status.in_flight).toBe(0);
  });

  test('lines that pass for ended and have no row: they are bought, once, and each has one', async () => {
    const { gateway, dir, pipeline } = await ingestion(0);
    const manifest = await writeManifest(dir, ['nonsense', ...numbered(19)]);
    const keys = await prepared(pipeline, dir, manifest);
    for (const lost of [3, 4, 20]) await pipeline.redis.setbit(keys.ended(0), lost - 1, 1);
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r', partAge: '1s' });
    expect(summary).toMatchObject({ state: 'completed', lines: 20, settled: 19, failed: 1 });
    expect(gateway.stats().tasks).toBe(19);
    expect(await linesOf(dir)).toEqual(upTo(20).slice(1));
  });
});

/** An HTTP source that sends some lines and then nothing, until the test ends it. */
async function endlessSource(lines: object[]) {
  const open = new Set<ServerResponse>();
  const text = lines.map((each) => `${JSON.stringify(each)}\n`).join('');
  const server = createServer((_asked, response) => {
    open.add(response);
    response.writeHead(200, { 'content-length': 2 * text.length, etag: '"v"', 'accept-ranges': 'bytes' });
    response.write(text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.jsonl`;
}

describe('cancelled while its manifest is read', () => {
  test('`produce` ends, and the run is summed up though nobody consumes it', async () => {
    const { gateway, dir, pipeline } = await ingestion(0);
    const store = storeFlags(pipeline);
    // More than is looked at before anything is queued.
    const source = await endlessSource(numbered(100).map((each) => ({ ...each, pad: 'x'.repeat(4_096) })));
    const call = (...args: string[]) =>
      callMain([...args, ...store], { cancel, produce }, { cwd: dir, env: { ASG_API_KEY: API_KEY } });
    const producing = call(
      ...['produce', source, '--run-id', 'r', '--out', 'out', '--gateway-url', gateway.url, ...TASK],
    );
    const reading = () => readRun(pipeline.redis, pipeline.prefix, 'r');
    await until(async () => (await linesIn(pipeline, 'r', 'submit').catch(() => 0)) > 0, 'lines are queued');
    expect((await call('cancel', 'r')).status).toBe(0);
    const { status, stderr } = await producing;
    expect(status, stderr).toBe(4);
    await until(async () => (await reading())?.summedUp === true, 'summed up');
    expect(gateway.stats().tasks).toBe(0);
    const { summary, failures } = await readOut(path.join(dir, 'out'));
    expect(summary).toMatchObject({ state: 'cancelled', settled: 0, lines: failures.length });
  });

  test('rejections that come late are in the sum: summary, status and files agree', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(dir, [line(1), ...Array<string>(5_000).fill('nonsense')]);
    const pipeline = await pipelineTo(gateway.url);
    const { redis } = pipeline;
    const keys = runKeys(pipeline.prefix, 'r');
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let [steps, isHeld, sums] = [0, false, 0];
    // What a step asks first; the third one is under way when the run is cancelled.
    const { getrangeBuffer, set } = redis;
    redis.getrangeBuffer = (async (...args: Parameters<typeof getrangeBuffer>) => {
      if (args[0] === keys.ended(0)) steps += 1;
      if (args[0] === keys.ended(0) && steps === 3) {
        isHeld = true;
        await held;
      }
      return getrangeBuffer.apply(redis, args);
    }) as typeof getrangeBuffer;
    redis.set = ((...args: Parameters<typeof set>) => {
      if (args[0] === keys.tally) sums += 1;
      return set.apply(redis, args);
    }) as typeof set;
    const running = runLines(pipeline, dir, manifest, { runId: 'r' });
    await until(() => isHeld, 'a step under way');
    await until(async () => Number(await redis.hget(keys.counts, 'failed')) > 0, 'rejections');
    await until(async () => (await redis.hget(keys.counts, 'settled')) === '1', 'the line that is none');
    await transition(redis, keys, 'cancelled');
    await until(() => sums >= 2, 'somebody wants to sum up');
    letGo();
    const { summary } = await running;
    const { failures, results, summary: written } = await readOut(path.join(dir, 'out'));
    const status = (await readRun(redis, pipeline.prefix, 'r'))?.status;
    expect(summary).toMatchObject({ state: 'cancelled', settled: 1, failed: failures.length });
    expect(written).toMatchObject({ lines: results.length + failures.length, failed: failures.length });
    expect(status).toMatchObject({ lines: results.length + failures.length, failed: failures.length });
  });
});

test('a line whose number no bit map holds ends the run with words, for `run` and `work`', async () => {
  const { gateway, dir, manifest, pipeline } = await ingestion(3);
  const keys = await prepared(pipeline, dir, manifest);
  await pipeline.redis.hset(keys.cursor, { source: 0, line: 2 ** 32 - 2, offset: 0 });
  const expected = { code: 'manifest', message: expect.stringMatching(/has more than 4294967296 lines/) };
  await expect(runLines(pipeline, dir, manifest, { runId: 'r' })).rejects.toMatchObject(expected);
  expect(gateway.stats().tasks).toBe(0);
  expect(await linesIn(pipeline, 'r', 'submit')).toBe(0);
});

describe('the sweep', () => {
  test('of a run that was cancelled and retried buys no line that was never read', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(30);
    const keys = await prepared(pipeline, dir, manifest);
    // Ten lines have been read, and their jobs are lost.
    const offset = numbered(10).reduce((sum, each) => sum + JSON.stringify(each).length + 1, 0);
    await pipeline.redis.hset(keys.cursor, { source: 0, line: 10, offset, produced: 1 });
    await pipeline.redis.hset(keys.counts, { lines: 10 });
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r' });
    expect(summary).toMatchObject({ state: 'completed', lines: 10, settled: 10 });
    expect(gateway.stats().tasks).toBe(10);
  });
});

describe('a run that waits for quota, and has been stopped for something else by the time there is some', () => {
  test.each([
    ['blocked', 'sink'],
    ['cancelled', undefined],
  ] as const)('stays %s', async (state, reason) => {
    const gateway = await sandbox({ quota: 2 });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(5));
    const pipeline = await pipelineTo(gateway.url);
    const first = await runLines(pipeline, dir, manifest, { runId: 'r' });
    expect(first.blocked?.reason).toBe('quota');
    const keys = runKeys(pipeline.prefix, 'r');
    const { getCustomer } = pipeline.client;
    let looks = 0;
    pipeline.client.getCustomer = async (...args) => {
      const customer = await getCustomer.apply(pipeline.client, args);
      looks += 1;
      if (looks === 1) await transition(pipeline.redis, keys, state, reason === undefined ? {} : { reason });
      return customer;
    };
    gateway.set({ quota: 100 });
    const stop = new AbortController();
    const moved: string[] = [];
    const log = pipeline.log.child({});
    log.info = ((_more: object, text?: string) => moved.push(text ?? '')) as typeof log.info;
    const working = workRuns({ ...pipeline, log }, stop.signal, { quotaLookMs: 50 });
    await until(() => moved.some((text) => text.startsWith('quota is back')), 'a look for quota');
    expect(await pipeline.redis.hget(keys.record, 'state')).toBe(state);
    expect((await boughtTasks(gateway.url)).length).toBe(2);
    stop.abort();
    await working;
  });
});
