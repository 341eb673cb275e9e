import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openProducer } from '../../src/pipeline/open-producer.js';
import type { Pipeline } from '../../src/pipeline/pipeline.js';
import { prepare, runManifest } from '../../src/pipeline/run.js';
import { workRuns } from '../../src/pipeline/work.js';
import { superviseProducer } from '../../src/producers/supervise.js';
import { flushOnLeaving } from '../../src/results/flush.js';
import { openSink, type Sink } from '../../src/results/sink.js';
import { runKeys } from '../../src/runs/keys.js';
import { readRun } from '../../src/runs/read-status.js';
import { loadRun, type RunRecord } from '../../src/runs/record.js';
import { admit } from '../../src/runs/scripts.js';
import { transition } from '../../src/runs/transition.js';
import { startSandbox } from '../../src/sandbox/index.js';
import { startBreakingProxy } from '../setup/breaking-proxy.js';
import {
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
  tempDir,
  until,
  writeManifest,
} from './harness.js';

/** `work` in this process, beside what the test does. */
function startWork(pipeline: Pipeline, options: Parameters<typeof workRuns>[2] = {}) {
  const stop = new AbortController();
  const working = workRuns(pipeline, stop.signal, options);
  onTestFinished(async () => {
    stop.abort();
    await working;
  });
}

async function faulty(gateway: { url: string }) {
  const proxy = await startBreakingProxy(gateway.url);
  onTestFinished(() => proxy.close());
  return proxy;
}

const statusOf = async ({ redis, prefix }: Pipeline, id: string) =>
  (await readRun(redis, prefix, id))?.status;
const isState = (pipeline: Pipeline, id: string, state: string, reason: string | null = null) =>
  until(async () => {
    const status = await statusOf(pipeline, id);
    return status?.state === state && status.reason === reason;
  }, `${state} (${reason})`);

describe('the in-flight window', () => {
  test('full of lines that wait to be submitted again: they get a turn, and the run goes on', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(40, { errorRate: 1 });
    // As many as wait for room with all of the process' slots.
    const run = runLines(pipeline, dir, manifest, { maxInFlight: 10 });
    await until(() => (gateway.stats().calls.submit?.[500] ?? 0) >= 10, 'a full window of errors');
    gateway.set({ errorRate: 0 });
    const { summary } = await run;
    expect(summary).toMatchObject({ state: 'completed', settled: 40, failed: 0 });
    expect((await boughtTasks(gateway.url)).length).toBe(40);
  });
});

describe('--budget', () => {
  test('is given back by lines that were bought before: a grown manifest is not blocked by them', async () => {
    const gateway = await sandbox({ latency: { minMs: 20, maxMs: 60 } });
    const dir = await tempDir();
    const pipeline = await pipelineTo(gateway.url);
    const options = { key: 'content' };
    await runLines(pipeline, dir, await writeManifest(dir, numbered(20)), options);
    const grown = await writeManifest(dir, numbered(25), 'grown.jsonl');
    const out = path.join(dir, 'grown');
    const { summary } = await runLines(pipeline, dir, grown, { ...options, out, budget: 6 });
    expect(summary).toMatchObject({ state: 'completed', settled: 25 });
    expect((await boughtTasks(gateway.url)).length).toBe(25);
  });
});

describe('--budget is not passed', () => {
  test('by a line that a killed process had reserved one for', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(12);
    await prepare(pipeline, settingsFor(dir, { runId: 'r', budget: 4 }), manifest, dir);
    const keys = runKeys(pipeline.prefix, 'r');
    expect(await admit(pipeline.redis, keys, 0, [1, 2])).toEqual(['fresh', 'fresh']);
    const { blocked, summary } = await runLines(pipeline, dir, manifest, { runId: 'r', budget: 4 });
    expect([blocked?.reason, summary.failed]).toEqual(['budget', 0]);
    expect((await boughtTasks(gateway.url)).length).toBe(4);
  });

  test('by two processes that race for the last of it', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(80, { latency: { minMs: 5, maxMs: 30 } });
    startWork(await pipelineTo(gateway.url, { prefix: pipeline.prefix }));
    const { blocked, summary } = await runLines(pipeline, dir, manifest, { runId: 'r', budget: 50 });
    expect([blocked?.reason, summary.failed]).toEqual(['budget', 0]);
    expect((await boughtTasks(gateway.url)).length).toBe(50);
  });

  test('by a task that the Gateway has forgotten', async () => {
    const gateway = await startSandbox({ port: 0, settle: { minMs: 1_000, maxMs: 1_000 }, control: true });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(3));
    const pipeline = await pipelineTo(gateway.url);
    const run = runLines(pipeline, dir, manifest, { runId: 'r', budget: 3 });
    await until(() => gateway.stats().tasks === 3, 'all bought');
    await gateway.close();
    const restarted = await sandbox({ port: gateway.port });
    expect((await run).blocked).toMatchObject({
      reason: 'budget',
      message: expect.stringContaining('forgotten'),
    });
    expect(restarted.stats().tasks).toBe(0);
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r', budget: 6 });
    expect(summary).toMatchObject({ state: 'completed', settled: 3 });
  });

  test('by a task that was bought again because the Gateway had forgotten it, and whose answer was lost', async () => {
    const gateway = await startSandbox({ port: 0, settle: { minMs: 1_000, maxMs: 1_000 }, control: true });
    const proxy = await faulty(gateway);
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(2));
    const pipeline = await pipelineTo(proxy.url);
    const run = runLines(pipeline, dir, manifest, { runId: 'r', budget: 2, maxInFlight: 1 });
    await until(() => gateway.stats().tasks === 1, 'the first one bought');
    let submissions = 0;
    proxy.fault = ({ method }) => {
      if (method === 'POST') submissions += 1;
      return method === 'POST' && submissions === 1 ? { resetAt: 0 } : null;
    };
    await gateway.close();
    const anew = await sandbox({ port: gateway.port });
    expect((await run).blocked?.reason).toBe('budget');
    expect(submissions).toBeGreaterThan(1);
    expect(anew.stats().tasks).toBe(1);
  });

  test('by a task for a forgotten one whose answer was lost: what may be bought stays reserved', async () => {
    const gateway = await sandbox();
    const proxy = await faulty(gateway);
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(1));
    const pipeline = await pipelineTo(proxy.url);
    const json = { type: 'application/json', body: '{"error":"because"}' };
    let submissions = 0;
    proxy.fault = ({ method, url }) => {
      if (method === 'POST') submissions += 1;
      if (method === 'POST') return submissions === 1 ? null : { status: 500, ...json };
      return url?.endsWith('/result') ? { status: 404, ...json } : null;
    };
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r', budget: 2, retryFor: '1ms' });
    expect(summary).toMatchObject({ state: 'completed', failures: { retries_exhausted: 1 } });
    expect(submissions).toBeGreaterThan(1);
    const counts = await pipeline.redis.hmget(runKeys(pipeline.prefix, 'r').counts, 'bought', 'bought_again');
    expect(counts).toEqual(['2', '1']);
  });

  test('by a second task of a line that is asked again, whose answer was lost: its price stays reserved', async () => {
    const gateway = await sandbox();
    const proxy = await faulty(gateway);
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(1));
    const pipeline = await pipelineTo(proxy.url);
    let submissions = 0;
    proxy.fault = ({ method }) => {
      if (method !== 'POST') return null;
      submissions += 1;
      return submissions === 1
        ? null
        : { status: 500, type: 'application/json', body: '{"error":"because"}' };
    };
    const flags = { runId: 'r', budget: 2, retryFor: '1ms', escalate: 'confidence<=1' };
    const { summary } = await runLines(pipeline, dir, manifest, flags);
    expect(summary).toMatchObject({ state: 'completed', settled: 1, escalated: { failed: 1 } });
    const counts = ['bought', 'unpriced', 'escalating'];
    expect(await pipeline.redis.hmget(runKeys(pipeline.prefix, 'r').counts, ...counts)).toEqual([
      '2',
      '1',
      '0',
    ]);
  });
});

describe('a cancelled run comes to its end', () => {
  test('when the Gateway refuses the key by then: what was paid for is reported', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(5, {
      settle: { minMs: 60_000, maxMs: 60_000 },
    });
    const run = runLines(pipeline, dir, manifest, { runId: 'r', retryFor: '1ms' });
    await until(() => gateway.stats().tasks === 5, 'all bought');
    await transition(pipeline.redis, runKeys(pipeline.prefix, 'r'), 'cancelled');
    gateway.set({ apiKeys: [] });
    const { summary } = await run;
    expect(summary).toMatchObject({ state: 'cancelled', settled: 0, failures: { retries_exhausted: 5 } });
    const { failures } = await readOut(path.join(dir, 'out'));
    const bought = (await boughtTasks(gateway.url)).map((task) => task.task_id).sort();
    expect(failures.map((row) => row.task_id).sort()).toEqual(bought);
  });

  test('when the quota is used up by then: a line that was not bought is cancelled', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(3, { errorRate: 1 });
    const run = runLines(pipeline, dir, manifest, { runId: 'r' });
    await until(() => (gateway.stats().calls.submit?.[500] ?? 0) >= 3, 'errors');
    await transition(pipeline.redis, runKeys(pipeline.prefix, 'r'), 'cancelled');
    gateway.set({ errorRate: 0, quota: 0 });
    const { summary } = await run;
    expect(summary).toMatchObject({ state: 'cancelled', settled: 0, failures: { cancelled: 3 } });
  });
});

test('a cancelled run whose results cannot be written ends with what is wrong there', async () => {
  const { gateway, dir, manifest, pipeline } = await ingestion(3, { settle: { minMs: 500, maxMs: 500 } });
  const full: Sink = {
    ...openSink(path.join(dir, 'out')),
    writePart: () => Promise.reject(new Error('no space left on device')),
  };
  const run = runLines({ ...pipeline, openSink: () => full }, dir, manifest, { runId: 'r' });
  await until(() => gateway.stats().tasks === 3, 'all bought');
  await transition(pipeline.redis, runKeys(pipeline.prefix, 'r'), 'cancelled');
  await expect(run).rejects.toMatchObject({
    code: 'sink',
    message: expect.stringContaining('no space left'),
  });
});

describe('blocked', () => {
  test('a sink that is broken or slow does not keep `run`: its results wait, and are in parts later', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(3);
    const good = openSink(path.join(dir, 'out'));
    const broken = { ...good, writePart: () => Promise.reject(new Error('no space left on device')) };
    const options = { runId: 'r', budget: 2 };
    const left = await runLines({ ...pipeline, openSink: () => broken }, dir, manifest, options);
    expect([left.blocked?.reason, left.summary.parts]).toEqual(['budget', []]);
    const slow: Sink = { ...good, writePart: () => new Promise(() => undefined) };
    const record = await loadRun(pipeline.redis, pipeline.prefix, 'r');
    await flushOnLeaving({ ...pipeline, sink: slow }, record as RunRecord, pipeline.log, 20);
    const { summary } = await runLines(pipeline, dir, manifest, { ...options, budget: 3 });
    expect(summary).toMatchObject({ state: 'completed', settled: 3 });
    expect((await readOut(path.join(dir, 'out'))).results.length).toBe(3);
    expect(gateway.stats().tasks).toBe(3);
  });

  test('a sink that takes its rows in time is not said to take long, nor waited for afterwards', async () => {
    const { dir, manifest, pipeline } = await ingestion(3);
    await runLines(pipeline, dir, manifest, { runId: 'r', budget: 2 });
    const record = await loadRun(pipeline.redis, pipeline.prefix, 'r');
    const log = pipeline.log.child({});
    const warnings: unknown[] = [];
    log.warn = ((...said: unknown[]) => void warnings.push(said)) as typeof log.warn;
    const leaveAfterMs = 2_000;
    const sink = openSink(path.join(dir, 'out'));
    await flushOnLeaving({ ...pipeline, sink }, record as RunRecord, log, leaveAfterMs);
    // A timer of the same length that begins later ends later.
    await new Promise((resolve) => setTimeout(resolve, leaveAfterMs));
    expect(warnings).toEqual([]);
  });

  test('quota: `run` waits for lines in flight no longer than the grace', async () => {
    const { dir, manifest, pipeline } = await ingestion(6, {
      quota: 3,
      settle: { minMs: 60_000, maxMs: 60_000 },
    });
    const outcome = await runManifest(pipeline, settingsFor(dir), manifest, {
      cwd: dir,
      signal: new AbortController().signal,
      quotaGraceMs: 300,
    });
    expect(outcome.blocked?.reason).toBe('quota');
    expect(outcome.summary).toMatchObject({ lines: 6, settled: 0, failed: 0 });
  });

  test('quota, then the key is refused too: the polls stop', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(6, {
      quota: 3,
      settle: { minMs: 60_000, maxMs: 60_000 },
    });
    const run = runLines(pipeline, dir, manifest, { runId: 'r' });
    await isState(pipeline, 'r', 'blocked', 'quota');
    gateway.set({ apiKeys: [] });
    expect((await run).blocked?.reason).toBe('key_refused');
  });

  test('quota: `work` looks for more and goes on by itself, with all runs of the key', async () => {
    const gateway = await sandbox({ quota: 8 });
    const dir = await tempDir();
    const pipeline = await pipelineTo(gateway.url);
    for (let pod = 0; pod < 2; pod += 1)
      startWork(await pipelineTo(gateway.url, { prefix: pipeline.prefix }), { quotaLookMs: 200 });
    const stop = new AbortController();
    const runs = ['a', 'b'].map(async (runId) => {
      const manifest = await writeManifest(dir, numbered(10), `${runId}.jsonl`);
      const out = path.join(dir, runId);
      return runLines(pipeline, dir, manifest, { runId, out }, stop.signal);
    });
    await Promise.all(['a', 'b'].map((id) => isState(pipeline, id, 'blocked', 'quota')));
    await Promise.all(runs);
    expect(gateway.stats().tasks).toBe(8);
    gateway.set({ quota: 100 });
    await Promise.all(['a', 'b'].map((id) => isState(pipeline, id, 'completed')));
    for (const id of ['a', 'b'])
      expect(await statusOf(pipeline, id)).toMatchObject({ settled: 10, failed: 0 });
    expect((await boughtTasks(gateway.url)).length).toBe(20);
  });

  test.each([
    { answer: 'a redirection', status: 302, type: 'text/plain', body: '' },
    { answer: 'JSON with 400', status: 400, type: 'application/json', body: '{"error":"nothing here"}' },
    { answer: '200 of another shape', status: 200, type: 'application/json', body: '{"hello":"world"}' },
  ])(
    'a server that answers everything with $answer: wrong_endpoint before a line fails',
    async ({ status, type, body }) => {
      const gateway = await sandbox();
      const proxy = await faulty(gateway);
      const dir = await tempDir();
      const manifest = await writeManifest(dir, numbered(150));
      const pipeline = await pipelineTo(proxy.url);
      proxy.fault = () => ({ status, body, type });
      const first = await runLines(pipeline, dir, manifest);
      expect(first.blocked).toMatchObject({
        reason: 'wrong_endpoint',
        message: expect.stringContaining('--gateway-url'),
      });
      expect(first.summary).toMatchObject({ settled: 0, failed: 0 });
      proxy.fault = () => null;
      const { summary } = await runLines(pipeline, dir, manifest);
      expect(summary).toMatchObject({ state: 'completed', settled: 150, failed: 0 });
    },
  );

  test('polls alone get a web page, then 403: no line fails, and those in flight settle when it is over', async () => {
    const gateway = await sandbox();
    const proxy = await faulty(gateway);
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(6));
    const pipeline = await pipelineTo(proxy.url);
    let polls = 0;
    proxy.fault = ({ method }) => {
      if (method !== 'GET') return null;
      polls += 1;
      if (polls <= 6) return { status: 200, type: 'text/html', body: '<h1>Please sign in</h1>' };
      return { status: 403, type: 'application/json', body: '{"error":"not from this address"}' };
    };
    const outcome = await runManifest(pipeline, settingsFor(dir), manifest, {
      cwd: dir,
      signal: new AbortController().signal,
      quotaGraceMs: 300,
    });
    expect(outcome.blocked).toMatchObject({
      reason: 'quota',
      message: expect.stringContaining('not from this address'),
    });
    expect(outcome.summary).toMatchObject({ lines: 6, settled: 0, failed: 0 });
    proxy.fault = () => null;
    const { summary } = await runLines(pipeline, dir, manifest);
    expect(summary).toMatchObject({ state: 'completed', settled: 6, failed: 0 });
    expect(gateway.stats().tasks).toBe(6);
  });

  test('a manifest whose lines are all refused is not a wrong endpoint: each fails', async () => {
    const gateway = await sandbox();
    const dir = await tempDir();
    const manifest = await writeManifest(
      dir,
      [1, 2, 3].map((n) => line(n, { type: 'unheard_of' })),
    );
    // Said by the user, too: what only lines say is refused before anything is sent.
    const { summary } = await runLines(await pipelineTo(gateway.url), dir, manifest, {
      taskType: 'unheard_of',
    });
    expect(summary).toMatchObject({ state: 'completed', failures: { rejected: 3 } });
    const { failures } = await readOut(path.join(dir, 'out'));
    expect(failures[0]).toMatchObject({ stage: 'submit', error: { code: 'rejected', status: 400 } });
  });
});

describe('trouble at the Gateway', () => {
  test('a connection that breaks off in the middle of an answer: nothing lost, nothing bought twice', async () => {
    const gateway = await sandbox();
    const proxy = await faulty(gateway);
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(12));
    let calls = 0;
    proxy.fault = () => {
      calls += 1;
      return calls === 3 ? { resetAt: 20 } : calls === 14 ? { endAt: 20 } : null;
    };
    const { summary } = await runLines(await pipelineTo(proxy.url), dir, manifest);
    expect(summary).toMatchObject({ state: 'completed', settled: 12, failed: 0 });
    expect((await boughtTasks(gateway.url)).length).toBe(12);
  });

  test('429s for long: no attempt is spent, no slot is held through the pause, and calls flow again at once', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(20, {
      rateLimit: 0.35,
      rateLimitBurst: 1,
      retryAfter: 'seconds',
    });
    const run = runLines(pipeline, dir, manifest, { runId: 'r', retryFor: '1ms' });
    await until(async () => (await pipeline.budget.snapshot()).pausedForMs > 2_000, 'a long pause');
    await until(async () => {
      const reading = await readRun(pipeline.redis, pipeline.prefix, 'r');
      const lines = (await linesIn(pipeline, 'r', 'submit')) + (await linesIn(pipeline, 'r', 'poll'));
      // A call that is let through between two pauses may settle a line.
      return reading?.jobs.submitting === 0 && lines === 20 - reading.status.settled;
    }, 'all lines back in their queues');
    gateway.set({ rateLimit: null });
    // The search would feel its way up from the 0.35 that it has met.
    await pipeline.budget.setRate(50);
    const { summary } = await run;
    expect(summary).toMatchObject({ state: 'completed', settled: 20, failed: 0 });
    expect((await boughtTasks(gateway.url)).length).toBe(20);
  });
});

test('`work` queues lost lines again, after a sweep that Redis cut off', async () => {
  const { gateway, dir, manifest, pipeline } = await ingestion(3);
  const options = { until: 'produced', mayProduce: true, signal: new AbortController().signal } as const;
  const { manifest: opened, prepared } = await prepare(pipeline, settingsFor(dir), manifest, dir);
  if (prepared.kind !== 'go') throw new Error('nothing to produce');
  const producer = openProducer(pipeline, prepared.record);
  const oneByOne = { ...producer, linesPerChunk: async () => 1 };
  await superviseProducer(oneByOne, prepared.record, async () => opened, options);
  expect(await producer.queues.submit.remove('0-2-2-1')).toBe(1);
  await producer.close();
  // The first thing that a sweep does is to take the lease.
  const { lease } = runKeys(pipeline.prefix, prepared.record.id);
  const set = pipeline.redis.set.bind(pipeline.redis) as (...args: unknown[]) => Promise<'OK' | null>;
  let hiccups = 0;
  pipeline.redis.set = ((...args: unknown[]) => {
    if (args[0] === lease) hiccups += 1;
    return args[0] === lease && hiccups === 1 ? Promise.reject(new Error('LOADING')) : set(...args);
  }) as typeof pipeline.redis.set;
  startWork(pipeline, { sweepAgainMs: 50 });
  await isState(pipeline, prepared.record.id, 'completed');
  expect(hiccups).toBeGreaterThan(1);
  expect(gateway.stats().tasks).toBe(3);
});

test('a job that meets an error nobody expected is not lost', async () => {
  const { dir, manifest, pipeline } = await ingestion(5);
  const { getResult } = pipeline.client;
  let broken = 2;
  pipeline.client.getResult = (...args) => {
    broken -= 1;
    if (broken >= 0) throw new TypeError('a bug');
    return getResult.apply(pipeline.client, args);
  };
  const { summary } = await runLines(pipeline, dir, manifest);
  expect(summary).toMatchObject({ state: 'completed', settled: 5 });
  // None had to be found by the sweep, which submits again.
  expect(summary.gateway_calls.submit).toEqual({ 202: 5 });
});
