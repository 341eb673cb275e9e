import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cancel, pause, resume } from '../../src/cli/commands/control.js';
import { produce } from '../../src/cli/commands/produce.js';
import { retry } from '../../src/cli/commands/retry.js';
import { run } from '../../src/cli/commands/run.js';
import { status } from '../../src/cli/commands/status.js';
import { workRuns } from '../../src/pipeline/work.js';
import { runKeys } from '../../src/runs/keys.js';
import { readRun } from '../../src/runs/read-status.js';
import { collectGauges } from '../../src/web/metrics/collect.js';
import { callMain } from '../cli/harness.js';
import { TASK } from './cli.js';
import {
  API_KEY,
  boughtTasks,
  line,
  numbered,
  pipelineTo,
  readOut,
  sandbox,
  storeFlags,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

const COMMANDS = { run, produce, retry, status, pause, resume, cancel };

/** A line that fails by itself; lines that are no JSON at all from the first on are refused as no manifest. */
const BAD = { data_url: '' };

/** The commands as they are called, in this process; and a pipeline that looks at the same Redis. */
async function terminal(options: Parameters<typeof sandbox>[0] = {}) {
  const gateway = await sandbox(options);
  const dir = await tempDir();
  const pipeline = await pipelineTo(gateway.url);
  const store = storeFlags(pipeline);
  const asg = (...args: string[]) =>
    callMain([...args, ...store], COMMANDS, { env: { ASG_API_KEY: API_KEY }, cwd: dir });
  const target = ['--gateway-url', gateway.url, '--out', 'out', '--run-id', 'r'];
  const ingest = (manifest: string, ...more: string[]) =>
    asg('run', manifest, ...target, '--json', '--quiet', ...TASK, ...more);
  const statusOf = async () => JSON.parse((await asg('status', 'r', '--json')).stdout);
  const isState = (state: string) =>
    until(async () => (await readRun(pipeline.redis, pipeline.prefix, 'r'))?.record.state === state, state);
  return { gateway, dir, pipeline, asg, target, ingest, statusOf, isState };
}

test('a refused key: exit 4, what to do on stderr and in `status`, a metric; `resume` when it is good again', async () => {
  const { gateway, dir, pipeline, asg, ingest, statusOf } = await terminal({ apiKeys: [] });
  const manifest = await writeManifest(dir, numbered(5));
  const refused = await ingest(manifest);
  expect(refused.status).toBe(4);
  expect(refused.stderr).toMatch(/blocked \(key_refused\): .*ASG_API_KEY.*resume/);
  expect(await statusOf()).toMatchObject({ state: 'blocked', reason: 'key_refused', failed: 0, queued: 5 });
  await collectGauges(pipeline);
  expect(await pipeline.metrics.registry.metrics()).toContain(
    'asg_ingest_run_blocked{run="r",reason="key_refused"} 1',
  );
  gateway.set({ apiKeys: null });
  expect((await asg('resume', 'r')).status).toBe(0);
  const { status, stdout } = await ingest(manifest);
  expect([status, JSON.parse(stdout).settled]).toEqual([0, 5]);
});

describe('--max-failures', () => {
  test('blocks, and a larger one lets the same command go on', async () => {
    const { dir, ingest } = await terminal();
    const bad = [1, 2, 3, 4].map((n) => line(n, { type: 'unheard_of' }));
    const manifest = await writeManifest(dir, [...numbered(3), ...bad]);
    const blocked = await ingest(manifest, '--max-failures', '3');
    expect(blocked.status).toBe(4);
    expect(blocked.stderr).toMatch(/blocked \(failures\): 4 lines have failed/);
    const left = await readOut(path.join(dir, 'out'));
    expect(left.failures.length).toBe(4);
    expect(left.results.length).toBe(JSON.parse(blocked.stdout).settled);
    expect(left.summary).toBeNull();
    const { status, stdout } = await ingest(manifest, '--max-failures', '4');
    expect(status).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', settled: 3, failed: 4 });
  });

  test('as a share: of a hundred ended lines or more', async () => {
    const { dir, ingest } = await terminal();
    const bad = (count: number) => Array<object>(count).fill(BAD);
    const few = await ingest(await writeManifest(dir, bad(99)), '--max-failures', '50%');
    expect([few.status, JSON.parse(few.stdout).failed]).toEqual([3, 99]);
    const manifest = await writeManifest(dir, [...bad(110), ...numbered(9)], 'many.jsonl');
    const blocked = await ingest(manifest, '--max-failures', '60%', '--run-id', 'many', '--out', 'many');
    expect(blocked.status).toBe(4);
    const more = await ingest(manifest, '--max-failures', '100%', '--run-id', 'many', '--out', 'many');
    expect([more.status, JSON.parse(more.stdout).settled]).toEqual([3, 9]);
  });

  test('a producer reads no further; cancelled while blocked, the run ends', async () => {
    /** Lines for many seconds: the run blocks within one or two. */
    const MORE_THAN_IT_READS = 400_000;
    const { dir, pipeline, asg, target, isState } = await terminal();
    const manifest = await writeManifest(dir, Array<object>(MORE_THAN_IT_READS).fill(BAD));
    const stop = new AbortController();
    const working = workRuns(pipeline, stop.signal);
    onTestFinished(async () => {
      stop.abort();
      await working;
    });
    const produced = asg('produce', manifest, ...target, ...TASK, '--max-failures', '10');
    await isState('blocked');
    expect((await asg('cancel', 'r')).status).toBe(0);
    expect((await produced).status).toBe(4);
    const reading = await readRun(pipeline.redis, pipeline.prefix, 'r');
    expect(reading?.status.state).toBe('cancelled');
    expect(reading?.status.failed).toBeGreaterThan(10);
    expect(reading?.status.failed).toBeLessThan(MORE_THAN_IT_READS);
  });
});

test('cancelled while paused, and once more; a cancelled run is not resumed, and says so', async () => {
  const { gateway, dir, pipeline, asg, ingest, isState } = await terminal({
    settle: { minMs: 300, maxMs: 600 },
  });
  const manifest = await writeManifest(dir, numbered(200));
  const running = ingest(manifest, '--rate', '40');
  await until(() => gateway.stats().tasks >= 10, 'tasks');
  expect((await asg('pause', 'r')).status).toBe(0);
  await isState('paused');
  for (let twice = 0; twice < 2; twice += 1) expect((await asg('cancel', 'r')).status).toBe(0);
  const { status, stdout } = await running;
  const summary = JSON.parse(stdout);
  expect([status, summary.state]).toEqual([3, 'cancelled']);
  expect(summary.settled).toBe((await boughtTasks(gateway.url)).length);
  expect(summary.failures).toEqual({ cancelled: summary.lines - summary.settled });
  // Lines that waited for their turn when it was cancelled were not bought any more.
  expect(summary.failures.cancelled).toBeGreaterThan(100);
  const resumed = await asg('resume', 'r');
  expect(resumed.status).toBe(1);
  expect(resumed.stderr).toMatch(/run r is cancelled; nothing was changed\n.*asg-ingest retry r/);
  expect(await pipeline.redis.hget(runKeys(pipeline.prefix, 'r').record, 'state')).toBe('cancelled');
});

test('blocked for its budget: each command says or does what that allows, and nothing more is bought', async () => {
  const { gateway, dir, asg, ingest, statusOf } = await terminal();
  const manifest = await writeManifest(dir, ['nonsense', ...numbered(6)]);
  const budget = ['--budget', '3'];
  expect((await ingest(manifest, ...budget)).status).toBe(4);
  const paused = await asg('pause', 'r');
  expect([paused.status, paused.stderr]).toEqual([1, expect.stringContaining('run r is blocked')]);
  expect((await asg('resume', 'r')).status).toBe(0);
  const again = await ingest(manifest, ...budget);
  expect([again.status, again.stderr]).toEqual([4, expect.stringContaining('3 tasks have been bought')]);
  const retried = await asg('retry', 'r', '--gateway-url', gateway.url, '--json', '--quiet');
  expect([retried.status, (await statusOf()).reason]).toEqual([4, 'budget']);
  expect(gateway.stats().tasks).toBe(3);
  expect((await asg('cancel', 'r')).status).toBe(0);
  const ended = await ingest(manifest, ...budget);
  expect(ended.status).toBe(3);
  const failures = { cancelled: 3, invalid_json: 1 };
  expect(JSON.parse(ended.stdout)).toMatchObject({ state: 'cancelled', settled: 3, failures });
});

test('a manifest that asks nothing, in a run that asks nothing: exit 2 and nothing on record', async () => {
  const { dir, asg, target, statusOf } = await terminal();
  const manifest = await writeManifest(dir, ['nonsense', ...numbered(3)]);
  const refused = await asg('run', manifest, ...target);
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain('--question');
  await expect(statusOf()).rejects.toThrow();
  const spec = { question: 'Which?', options: ['cat', 'dog'] };
  const some = await writeManifest(dir, [line(1), line(2, { label_spec: spec })]);
  const { status, stdout } = await asg('run', some, ...target, '--json', '--quiet', ...TASK.slice(4));
  expect([status, JSON.parse(stdout)]).toMatchObject([3, { settled: 1, failures: { invalid_line: 1 } }]);
});
