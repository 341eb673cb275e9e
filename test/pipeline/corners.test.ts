import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cancel } from '../../src/cli/commands/control.js';
import { retry } from '../../src/cli/commands/retry.js';
import { runs } from '../../src/cli/commands/runs.js';
import { openSink, type Sink } from '../../src/results/sink.js';
import { runKeys } from '../../src/runs/keys.js';
import { readRun } from '../../src/runs/read-status.js';
import { startRedisProxy } from '../campaign/parts/redis-proxy.js';
import { callMain } from '../cli/harness.js';
import { startBreakingProxy } from '../setup/breaking-proxy.js';
import { startRedisServer } from '../setup/redis-server.js';
import { startCli, TASK } from './cli.js';
import {
  API_KEY,
  boughtTasks,
  ingestion,
  line,
  numbered,
  pipelineTo,
  readOut,
  runLines,
  sandbox,
  storeFlags,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

const BY_SKU = { key: 'metadata.sku' };

/** Lines of few SKUs, each with an image of its own. */
const ofSkus = (lines: number, skus: number) =>
  Array.from({ length: lines }, (_, i) => line(i + 1, { metadata: { sku: `sku-${(i % skus) + 1}` } }));

/** What so many tasks cost, each once. */
const costOf = (rows: { task_id: string; cost_sats: number | null }[]) =>
  [...new Map(rows.map((row) => [row.task_id, row.cost_sats ?? 0])).values()].reduce((a, b) => a + b, 0);

describe('--key <field>', () => {
  test('lines of one key that ask something else fail, and name both lines; each task is paid for once', async () => {
    const { gateway, dir, pipeline } = await ingestion(0);
    const manifest = await writeManifest(dir, ofSkus(20, 5));
    const { summary } = await runLines(pipeline, dir, manifest, BY_SKU);
    expect(summary).toMatchObject({ lines: 20, settled: 5, failed: 15, failures: { key_conflict: 15 } });
    const { results, failures } = await readOut(path.join(dir, 'out'));
    expect(results.map((row) => row.line).sort()).toEqual([1, 2, 3, 4, 5]);
    for (const { line: n, error } of failures)
      expect(error.message).toContain(`line ${n} has the key of line ${((n - 1) % 5) + 1},`);
    expect(gateway.stats().tasks).toBe(5);
    expect(costOf(results)).toBeGreaterThan(0);
    expect(summary.cost_sats).toBe(costOf(results));
  });

  test('--on-same-key share: all settle, and each task is paid for once', async () => {
    const { gateway, dir, pipeline } = await ingestion(0);
    const manifest = await writeManifest(dir, ofSkus(20, 5));
    const { summary } = await runLines(pipeline, dir, manifest, { ...BY_SKU, onSameKey: 'share' });
    expect(summary).toMatchObject({ settled: 20, failed: 0 });
    const { results } = await readOut(path.join(dir, 'out'));
    expect(new Set(results.map((row) => row.task_id)).size).toBe(5);
    expect(gateway.stats().tasks).toBe(5);
    expect(costOf(results)).toBeGreaterThan(0);
    expect(summary.cost_sats).toBe(costOf(results));
  });

  test('another question over the same field is bought again', async () => {
    const { gateway, dir, pipeline } = await ingestion(0);
    const manifest = await writeManifest(dir, ofSkus(4, 4));
    await runLines(pipeline, dir, manifest, BY_SKU);
    const other = { question: 'Which colour?', options: 'red,blue', out: path.join(dir, 'colours') };
    const { summary } = await runLines(pipeline, dir, manifest, { ...BY_SKU, ...other });
    expect(summary).toMatchObject({ settled: 4, failed: 0 });
    expect(gateway.stats().tasks).toBe(8);
    const { results } = await readOut(other.out);
    for (const row of results) expect(['red', 'blue']).toContain(row.consensus_label);
  });

  test("a line's own key, under which the Gateway has the task of another question: the line fails, and says why", async () => {
    const { dir, pipeline } = await ingestion(0);
    const lines = [1, 2].map((n) => line(n, { idempotency_key: `mine-${n}` }));
    const manifest = await writeManifest(dir, lines);
    await runLines(pipeline, dir, manifest);
    const other = { question: 'Which colour?', options: 'red,blue', out: path.join(dir, 'colours') };
    const { summary } = await runLines(pipeline, dir, manifest, other);
    expect(summary).toMatchObject({ settled: 0, failures: { key_conflict: 2 } });
    const { failures } = await readOut(other.out);
    for (const { error } of failures) expect(error.message).toContain('which is none of the options');
  });
});

describe('the same command again', () => {
  test('a run whose key was refused and that has bought nothing goes on with another key', async () => {
    const gateway = await sandbox({ apiKeys: ['sk_sandbox_good'] });
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(4));
    const wrong = await pipelineTo(gateway.url, { apiKey: 'sk_sandbox_wrong' });
    const first = await runLines(wrong, dir, manifest, { runId: 'r' });
    expect(first.blocked?.reason).toBe('key_refused');
    const good = await pipelineTo(gateway.url, { prefix: wrong.prefix, apiKey: 'sk_sandbox_good' });
    const { summary } = await runLines(good, dir, manifest, { runId: 'r' });
    expect(summary).toMatchObject({ state: 'completed', settled: 4, failed: 0 });
    expect(gateway.stats().tasks).toBe(4);
  });

  test('without --run-id it goes on with the run that was begun under a name, and sends nothing again', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(4);
    await runLines(pipeline, dir, manifest, { runId: 'r', budget: 2 });
    const { summary } = await runLines(pipeline, dir, manifest);
    expect(summary).toMatchObject({ run_id: 'r', state: 'completed', settled: 4 });
    const { calls } = gateway.stats();
    const again = await runLines(pipeline, dir, manifest);
    expect(again.summary).toMatchObject({ run_id: 'r', settled: 4 });
    expect(gateway.stats().calls).toEqual(calls);
    expect((await boughtTasks(gateway.url)).length).toBe(4);
  });

  test('with another manifest, after the run was pruned: refused, and nothing is sent', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(3);
    await runLines(pipeline, dir, manifest, { runId: 'r' });
    const store = storeFlags(pipeline);
    const pruned = await callMain(['runs', '--prune', ...store], { runs }, { cwd: dir });
    expect(pruned.stderr).toContain('1 ended runs forgotten');
    expect(await readRun(pipeline.redis, pipeline.prefix, 'r')).toBeNull();
    const summary = await readFile(path.join(dir, 'out', 'summary.json'), 'utf8');
    const other = await writeManifest(dir, [line(7), line(8)], 'other.jsonl');
    await expect(runLines(pipeline, dir, other, { runId: 'r' })).rejects.toMatchObject({
      code: 'manifest_changed',
      message: expect.stringContaining('another manifest'),
      hint: expect.stringContaining('--run-id'),
    });
    expect(gateway.stats().tasks).toBe(3);
    expect(await readFile(path.join(dir, 'out', 'summary.json'), 'utf8')).toBe(summary);
    // The manifest that it had is still reported.
    expect((await runLines(pipeline, dir, manifest, { runId: 'r' })).summary).toMatchObject({ settled: 3 });
  });

  test('with another manifest and another --out, after the run was pruned: its lines are bought under keys of their own', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(3);
    await runLines(pipeline, dir, manifest, { runId: 'r' });
    await callMain(['runs', '--prune', ...storeFlags(pipeline)], { runs }, { cwd: dir });
    const other = await writeManifest(dir, [line(7), line(8)], 'other.jsonl');
    const out = path.join(dir, 'other');
    const { summary } = await runLines(pipeline, dir, other, { runId: 'r', out });
    expect(summary).toMatchObject({ state: 'completed', settled: 2 });
    const bought = new Map((await boughtTasks(gateway.url)).map((task) => [task.task_id, task.data_url]));
    expect(bought.size).toBe(5);
    for (const row of (await readOut(out)).results) expect(bought.get(row.task_id)).toBe(row.data_url);
  });

  test('with another manifest, in the middle of a run that Redis has lost: refused, and no rows are mixed', async () => {
    const { gateway, dir, manifest, pipeline } = await ingestion(4);
    expect((await runLines(pipeline, dir, manifest, { runId: 'r', budget: 2 })).blocked?.reason).toBe(
      'budget',
    );
    const { names } = await readOut(path.join(dir, 'out'));
    // Another prefix knows nothing of the run, as a new Redis would.
    const anew = await pipelineTo(gateway.url);
    const replaced = await writeManifest(dir, [line(7), line(8)]);
    await expect(runLines(anew, dir, replaced, { runId: 'r' })).rejects.toMatchObject({
      code: 'manifest_changed',
      message: expect.stringContaining('another manifest'),
    });
    expect(gateway.stats().tasks).toBe(2);
    expect((await readOut(path.join(dir, 'out'))).names).toEqual(names);
  });
});

test('retry of a cancelled run with tasks in flight: every line that was read ends, and each bought label is in a file', async () => {
  const { gateway, dir, manifest, pipeline } = await ingestion(60, {
    settle: { minMs: 8_000, maxMs: 8_000 },
  });
  const stop = new AbortController();
  const first = runLines(pipeline, dir, manifest, { runId: 'r', rate: 100, maxInFlight: 20 }, stop.signal);
  await until(async () => {
    const status = (await readRun(pipeline.redis, pipeline.prefix, 'r'))?.status;
    return status?.produced === true && status.in_flight === 20;
  }, 'tasks in flight, and all lines read');
  const store = storeFlags(pipeline);
  const asg = (...args: string[]) =>
    callMain([...args, ...store], { cancel, retry }, { cwd: dir, env: { ASG_API_KEY: API_KEY } });
  expect((await asg('cancel', 'r')).status).toBe(0);
  stop.abort();
  await first;
  const inFlight = (await readRun(pipeline.redis, pipeline.prefix, 'r'))?.status.in_flight;
  expect(inFlight).toBeGreaterThan(0);
  const retried = await asg('retry', 'r', '--gateway-url', gateway.url, '--json', '--quiet');
  expect(retried.status, retried.stderr).toBe(0);
  expect(JSON.parse(retried.stdout)).toMatchObject({ state: 'completed', lines: 60, settled: 60, failed: 0 });
  const { results } = await readOut(path.join(dir, 'out'));
  const bought = (await boughtTasks(gateway.url)).map((task) => task.task_id).sort();
  expect(results.map((row) => row.task_id).sort()).toEqual(bought);
  expect(new Set(results.map((row) => row.line)).size).toBe(60);
});

test('a Redis whose memory is full for a while does not end a run: it waits, says so, and goes on', async () => {
  const dir = await tempDir();
  const { port, redis, server } = await startRedisServer(dir);
  onTestFinished(() => {
    redis.disconnect();
    server.kill('SIGKILL');
  });
  const gateway = await sandbox({ settle: { minMs: 100, maxMs: 500 } });
  const manifest = await writeManifest(dir, numbered(150));
  const running = startCli(
    ['run', manifest, '--out', 'out', '--gateway-url', gateway.url, '--rate', '60', '--json', ...TASK],
    { cwd: dir, env: { REDIS_URL: `redis://127.0.0.1:${port}` } },
  );
  await until(() => gateway.stats().tasks >= 20, 'tasks');
  const said = once(running.child.stderr, '"waiting_for":"redis"');
  await redis.config('SET', 'maxmemory', '1');
  await said;
  await redis.config('SET', 'maxmemory', '0');
  const { status, stdout, stderr } = await running.exit;
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', settled: 150, failed: 0 });
  const { results } = await readOut(path.join(dir, 'out'));
  expect(new Set(results.map((row) => row.line)).size).toBe(150);
  expect((await boughtTasks(gateway.url)).length).toBe(150);
}, 90_000);

/** Resolves when a stream has said something. */
function once(stream: NodeJS.ReadableStream | null, text: string): Promise<void> {
  let seen = '';
  return new Promise((resolve) => {
    stream?.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes(text)) resolve();
    });
  });
}

test('rejected lines wait while their rows cannot be written: Redis does not fill with them', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const lines = 60_000;
  const bad = { data_url: '', noise: 'x'.repeat(400) };
  const manifest = await writeManifest(dir, [line(1), ...Array<object>(lines - 1).fill(bad)]);
  const pipeline = await pipelineTo(gateway.url);
  const good = openSink(path.join(dir, 'out'));
  let write: () => void = () => undefined;
  const mayWrite = new Promise<void>((resolve) => {
    write = resolve;
  });
  const slow: Sink = {
    ...good,
    async writePart(...args) {
      await mayWrite;
      return good.writePart(...args);
    },
  };
  const stop = new AbortController();
  const partSize = 1 << 20;
  const options = { runId: 'r', partSize: `${partSize}B` };
  const running = runLines({ ...pipeline, openSink: () => slow }, dir, manifest, options, stop.signal);
  const keys = runKeys(pipeline.prefix, 'r');
  const counted = async () => {
    const [read, bytes] = await pipeline.redis.hmget(keys.counts, 'lines', 'unflushed_bytes');
    return { read: Number(read), bytes: Number(bytes) };
  };
  await until(async () => (await counted()).bytes >= 2 * partSize, 'rows up to the limit');
  // The producer looks at these counts only while it waits for room.
  let looks = 0;
  const { hmget } = pipeline.redis;
  pipeline.redis.hmget = ((...args: Parameters<typeof hmget>) => {
    if (args[0] === keys.counts && args.includes('in_flight')) looks += 1;
    return hmget.apply(pipeline.redis, args);
  }) as typeof hmget;
  await until(() => looks >= 3, 'the producer waits');
  const before = await counted();
  expect(before.read).toBeLessThan(lines / 2);
  expect(before.bytes).toBeLessThan(6 * partSize);
  write();
  const { summary } = await running;
  expect(summary).toMatchObject({ lines, settled: 1, failed: lines - 1 });
}, 90_000);

test.each(['..', '.', ''])(
  'a Gateway that answers with the task id "%s" is refused as unreadable',
  async (id) => {
    const gateway = await sandbox();
    const proxy = await startBreakingProxy(gateway.url);
    onTestFinished(() => proxy.close());
    const dir = await tempDir();
    const manifest = await writeManifest(dir, numbered(4));
    const pipeline = await pipelineTo(proxy.url);
    const body = JSON.stringify({ task_id: id, status: 'pending', created_at: new Date().toISOString() });
    proxy.fault = ({ method }) =>
      method === 'POST' ? { status: 202, type: 'application/json', body } : null;
    const { summary } = await runLines(pipeline, dir, manifest, { runId: 'r', retryFor: '1ms' });
    expect(summary).toMatchObject({ state: 'completed', settled: 0, failures: { retries_exhausted: 4 } });
    const { failures } = await readOut(path.join(dir, 'out'));
    for (const { stage, error } of failures)
      expect([stage, error.message]).toEqual(['submit', expect.stringContaining('task_id')]);
  },
);

describe('a Redis that refuses, behind a proxy', { timeout: 120_000 }, () => {
  /** A run through a proxy that can answer in Redis' stead. */
  async function proxied(lines: number) {
    const dir = await tempDir();
    const { port, redis, server } = await startRedisServer(dir);
    const proxy = await startRedisProxy(port);
    onTestFinished(async () => {
      await proxy.close();
      redis.disconnect();
      server.kill('SIGKILL');
    });
    const gateway = await sandbox({ settle: { minMs: 50, maxMs: 200 } });
    const manifest = await writeManifest(dir, numbered(lines));
    const args = ['run', manifest, '--out', 'out', '--gateway-url', gateway.url, '--json', ...TASK];
    const env = { REDIS_URL: `redis://127.0.0.1:${proxy.port}` };
    const whole = async ({ status, stdout, stderr }: Awaited<ReturnType<typeof startCli>['exit']>) => {
      expect(status, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', lines, settled: lines, failed: 0 });
      const { results } = await readOut(path.join(dir, 'out'));
      expect(new Set(results.map((row) => row.line)).size).toBe(lines);
      expect((await boughtTasks(gateway.url)).length).toBe(lines);
    };
    return { proxy, gateway, start: () => startCli(args, { cwd: dir, env }), whole };
  }
  const OOM = { error: "OOM command not allowed when used memory > 'maxmemory'." };

  test.each([
    ['OOM', OOM.error],
    // The client gives up its connection then. The other refusals are in `test/redis`, and the campaign's.
    ['READONLY', "READONLY You can't write against a read only replica."],
  ])('%s at its start, time and again: `run` waits, and goes on', async (_name, error) => {
    const { proxy, start, whole } = await proxied(20);
    // Each command is refused the first two times that it comes.
    const seen = new Map<string, number>();
    proxy.fault = (command) => {
      const times = (seen.get(command) ?? 0) + 1;
      seen.set(command, times);
      return times <= 2 ? { error } : 'pass';
    };
    await whole(await start().exit);
  });

  test('for a while at its end, when all lines have ended: it is summed up all the same', async () => {
    const { proxy, gateway, start, whole } = await proxied(40);
    const running = start();
    await until(() => gateway.stats().tasks === 40, 'all bought', 60_000);
    let refused = 0;
    proxy.fault = () => {
      refused += 1;
      return refused <= 60 ? OOM : 'pass';
    };
    await whole(await running.exit);
    expect(refused).toBeGreaterThan(60);
  });

  test('answers that are lost after the command was done: all that is sent again counts once', async () => {
    const { proxy, start, whole } = await proxied(300);
    let scripts = 0;
    proxy.fault = (command) => {
      if (command !== 'EVALSHA') return 'pass';
      scripts += 1;
      return scripts % 40 === 0 ? 'lose' : 'pass';
    };
    await whole(await start().exit);
    expect(scripts).toBeGreaterThan(40);
  });
});
