import { expect, onTestFinished, test } from 'vitest';
import { rate } from '../../src/cli/commands/rate.js';
import { run } from '../../src/cli/commands/run.js';
import { status } from '../../src/cli/commands/status.js';
import { tune } from '../../src/cli/commands/tune.js';
import { ASGGatewayClient } from '../../src/gateway/client.js';
import { costDayField } from '../../src/runs/envelope.js';
import { type RunKeys, runKeys } from '../../src/runs/keys.js';
import type { RunPolicy } from '../../src/runs/record.js';
import { admit, reserveAgain, returnReservations } from '../../src/runs/scripts.js';
import type { RunStatus } from '../../src/runs/status.js';
import { callMain } from '../cli/harness.js';
import { cli, startCli, TASK } from './cli.js';
import {
  API_KEY,
  line,
  numbered,
  pipelineTo,
  sandbox,
  storeFlags,
  tempDir,
  until,
  writeManifest,
} from './harness.js';

/** What a label of the local Gateway costs: 325 sats for each of two or three labelers. */
const [LABELER, DEAREST] = [325, 975];
const DAY_MS = 86_400_000;

async function paid(url: string) {
  const client = new ASGGatewayClient({ apiKey: API_KEY, baseUrl: url });
  onTestFinished(() => client.close());
  return async () => (await client.getUsage()).total_cost_sats;
}

/** The commands in this process, on the test's Redis. */
async function terminal(options: Parameters<typeof sandbox>[0] = {}) {
  const gateway = await sandbox(options);
  const dir = await tempDir();
  const pipeline = await pipelineTo(gateway.url);
  const store = storeFlags(pipeline);
  const asg = (...args: string[]) =>
    callMain([...args, ...store], { run, status, tune, rate }, { env: { ASG_API_KEY: API_KEY }, cwd: dir });
  const target = ['--gateway-url', gateway.url];
  const ingest = (manifest: string, ...more: string[]) =>
    asg('run', manifest, ...target, '--out', 'out', '--run-id', 'r', '--json', '--quiet', ...TASK, ...more);
  const statusOf = async () => JSON.parse((await asg('status', 'r', '--json')).stdout) as RunStatus;
  const waits = (what: string | null) =>
    until(
      async () => {
        const { stdout } = await asg('status', 'r', '--json');
        return stdout !== '' && (JSON.parse(stdout) as RunStatus).waiting_for === what;
      },
      `waiting for ${what}`,
      90_000,
    );
  const keys = runKeys(pipeline.prefix, 'r');
  return { gateway, dir, pipeline, asg, target, ingest, statusOf, waits, keys };
}

test('--spend is never passed by two processes that are killed in the middle; `tune` and the same command go on', async () => {
  const gateway = await sandbox({ settle: { minMs: 50, maxMs: 400 } });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(400));
  const spent = await paid(gateway.url);
  const limit = 100_000;
  const at = ['--gateway-url', gateway.url];
  const args = ['run', manifest, ...at, '--out', 'out', '--run-id', 'r', '--json', '--quiet', ...TASK];
  const ingest = [...args, '--spend', `${limit}`];
  for (const tasks of [30, 80]) {
    const both = [startCli(ingest, { cwd: dir }), startCli(['work', ...at], { cwd: dir })];
    await until(() => gateway.stats().tasks >= tasks, `${tasks} tasks`, 90_000);
    for (const { kill } of both) kill('SIGKILL');
    await Promise.all(both.map(({ exit }) => exit));
  }
  const blocked = await cli(ingest, { cwd: dir });
  expect(blocked.status).toBe(4);
  expect(blocked.stderr).toMatch(
    /blocked \(spend\): [\d,]+ of 100,000 sats of --spend are spent, a label may cost 975; `asg-ingest tune r --spend <more>`/,
  );
  const { cost_sats: counted } = JSON.parse(blocked.stdout);
  // All that was bought was waited for, and nothing more would have fitted in.
  expect(await spent()).toBe(counted);
  expect(counted).toBeLessThanOrEqual(limit);
  expect(counted).toBeGreaterThan(limit - DEAREST);

  const tuned = await cli(['tune', 'r', '--spend', '150000', '--json'], { cwd: dir });
  const change = { what: 'spend', from: limit, to: 150_000, at: expect.any(String) };
  expect(JSON.parse(tuned.stdout)).toEqual({ run_id: 'r', changes: [change], goes_on: true });
  // The command still asks for what it asked: what `tune` has set stands.
  const again = await cli(ingest, { cwd: dir });
  expect([again.status, JSON.parse(again.stdout).changes]).toEqual([4, [change]]);
  expect(await spent()).toBeLessThanOrEqual(150_000);
  expect(await spent()).toBeGreaterThan(150_000 - DEAREST);
  // It asks for something else: that outranks what was tuned.
  const whole = await cli([...args, '--spend', '1000000'], { cwd: dir });
  expect([whole.status, JSON.parse(whole.stdout).settled]).toEqual([0, 400]);
}, 300_000);

test('until a price has been seen, one task is out at a time; one that is given is believed for a tenth', async () => {
  const { gateway, dir, ingest } = await terminal({ settle: { minMs: 300, maxMs: 300 } });
  const seen: [tasks: number, results: number][] = [];
  const watch = setInterval(() => {
    const { tasks, calls } = gateway.stats();
    seen.push([tasks, calls.result?.[200] ?? 0]);
  }, 5);
  onTestFinished(() => clearInterval(watch));
  const manifest = await writeManifest(dir, numbered(30));
  expect((await ingest(manifest, '--spend', '1000000')).status).toBe(0);
  expect(seen.filter(([, results]) => results === 0).every(([tasks]) => tasks <= 1)).toBe(true);
  expect(Math.max(...seen.map(([tasks, results]) => tasks - results))).toBeGreaterThan(5);
  // A price that is far too low: what is out before the run's own is known cannot pass the envelope.
  const other = await terminal({ settle: { minMs: 300, maxMs: 300 } });
  const spent = await paid(other.gateway.url);
  const more = await writeManifest(other.dir, numbered(100));
  expect((await other.ingest(more, '--spend', '20000', '--price', '200')).status).toBe(4);
  expect(await spent()).toBeLessThanOrEqual(20_000);
  expect(await spent()).toBeGreaterThan(20_000 - DEAREST);
}, 180_000);

/** A run on record, and what its scripts say. */
async function onRecord(policy: Partial<RunPolicy>, counts: Record<string, number> = {}) {
  const { redis, prefix } = await pipelineTo('http://127.0.0.1:1');
  const keys: RunKeys = runKeys(prefix, 'r');
  const set = (now: Partial<RunPolicy>) =>
    redis.hset(keys.record, {
      state: 'running',
      policy: JSON.stringify({ maxInFlight: 1_000, budget: null, ...now }),
    });
  await set(policy);
  if (Object.keys(counts).length > 0) await redis.hset(keys.counts, counts);
  const fresh = async (lines: number[], labelers = 0) =>
    (await admit(redis, keys, 0, lines, labelers))?.filter((verdict) => verdict === 'fresh').length;
  return { redis, keys, set, fresh };
}
const TEN = Array.from({ length: 10 }, (_, n) => n + 1);
const told = { labeler_sats: LABELER, labelers: 3 };

test('what is out counts with the dearest label there can be, by the labelers that its line asks for', async () => {
  const { redis, keys, fresh } = await onRecord({ spend: 10_000 }, { ...told, cost_sats: 4_000 });
  expect(await fresh([1, 2])).toBe(2);
  // Ten labelers may cost 3,250: the two that are out are held with as much.
  expect(await fresh([3], 10)).toBe(0);
  await redis.hset(keys.counts, 'cost_sats', 200);
  expect(await fresh([3, 4], 10)).toBe(1);
  expect(await admit(redis, keys, 0, [5])).toEqual(['spend']);
});

test('a task that is shared holds nothing; one that is lost holds its price to the end', async () => {
  const { redis, keys, fresh } = await onRecord({ spend: 3 * DEAREST }, told);
  expect(await fresh(TEN)).toBe(3);
  await returnReservations(redis, keys, 0, [1, 2], true);
  expect(await fresh([4, 5, 6])).toBe(2);
  expect(await reserveAgain(redis, keys, 0, 4)).toBe('spend');
  await returnReservations(redis, keys, 0, [4], true);
  expect(await reserveAgain(redis, keys, 0, 5)).toBe(null);
  await redis.hset(keys.failures, 'result_timeout', 1);
  await returnReservations(redis, keys, 0, [3], true);
  expect(await fresh([7])).toBe(0);
});

test('--spend-per-day is counted by the day of Redis, and over the next one there is room again', async () => {
  const now = Date.now();
  const today = { [costDayField(now)]: 5_000, [costDayField(now - DAY_MS)]: 900_000 };
  const { redis, keys, set, fresh } = await onRecord({ spendPerDay: 6_000 }, { ...told, ...today });
  expect(await fresh([1, 2])).toBe(1);
  expect(await admit(redis, keys, 0, [2])).toEqual(['day']);
  expect(await reserveAgain(redis, keys, 0, 1)).toBe('day');
  // The day has gone by.
  await redis.hset(keys.counts, { [costDayField(now)]: 0, [costDayField(now - DAY_MS)]: 5_000 });
  expect(await fresh(TEN.slice(1))).toBe(5);
  await set({ spendPerDay: 1_000_000, spend: 7 * DEAREST });
  expect(await admit(redis, keys, 0, [7, 8])).toEqual(['fresh', 'spend']);
});

test('a day that is spent is waited for, and shown with the time it goes on', async () => {
  const { gateway, dir, pipeline, asg, ingest, statusOf, waits, keys } = await terminal();
  const manifest = await writeManifest(dir, numbered(12));
  const today = costDayField(Date.now());
  expect((await ingest(manifest, '--budget', '1')).status).toBe(4);
  await pipeline.redis.hset(keys.counts, { ...told, [today]: 9_500 });
  const running = ingest(manifest, '--spend-per-day', '10000');
  await waits('day');
  const { message, waiting_until, envelope } = await statusOf();
  expect(message).toMatch(/[\d,]+ of 10,000 sats of --spend-per-day are spent; goes on at/);
  expect(waiting_until).toBe(`${new Date(Date.now() + DAY_MS).toISOString().slice(0, 10)}T00:00:00Z`);
  expect(envelope).toMatchObject({ spend_per_day: 10_000, label_sats: DEAREST });
  expect((await asg('status', 'r')).stdout).toMatch(/state +running, waiting for day/);
  expect(gateway.stats().tasks).toBe(1);
  expect((await asg('tune', 'r', '--spend-per-day', '1000000')).status).toBe(0);
  const { status: exit, stdout } = await running;
  expect([exit, JSON.parse(stdout).settled]).toEqual([0, 12]);
}, 180_000);

test('a label that fits into no day blocks the run', async () => {
  const { dir, ingest } = await terminal();
  const blocked = await ingest(await writeManifest(dir, numbered(3)), '--spend-per-day', '500');
  expect([blocked.status, blocked.stderr]).toEqual([
    4,
    expect.stringContaining('blocked (spend): --spend-per-day allows 500 sats, a label may cost 975'),
  ]);
});

const clock = (ms: number) => new Date(ms).toISOString().slice(11, 16);
const HOUR_MS = 3_600_000;

test('outside of --hours nothing is submitted, what is out settles, and the time it goes on is shown', async () => {
  // They settle after the first command has ended, where that does not take very long.
  const settle = { minMs: 15_000, maxMs: 15_000 };
  const { gateway, dir, ingest, statusOf, waits } = await terminal({ settle });
  const manifest = await writeManifest(dir, numbered(20));
  expect((await ingest(manifest, '--budget', '5')).status).toBe(4);
  gateway.set({ settle: { minMs: 0, maxMs: 50 } });
  const opens = Math.floor((Date.now() + 2 * HOUR_MS) / 60_000) * 60_000;
  const closed = `${clock(opens)}-${clock(opens + HOUR_MS)}[UTC]`;
  const running = ingest(manifest, '--hours', closed);
  await waits('hours');
  const { waiting_until, message } = await statusOf();
  expect([waiting_until, message]).toEqual([
    new Date(opens).toISOString().replace('.000Z', 'Z'),
    expect.stringContaining(`--hours ${closed} only; goes on at`),
  ]);
  gateway.set({ settle: { minMs: 0, maxMs: 50 } });
  await until(async () => (await statusOf()).settled === 5, 'the tasks that are out', 90_000);
  expect(gateway.stats().tasks).toBe(5);
  const open = `${clock(Date.now() - HOUR_MS)}-${clock(Date.now() + HOUR_MS)}[UTC]`;
  expect((await ingest(manifest, '--hours', open)).status).toBe(0);
  expect((await running).status).toBe(0);
  expect(gateway.stats().tasks).toBe(20);
}, 180_000);

test('--rate 20/s,40/h: the fleet makes 40 calls and waits; `tune --rate` lets it go on', async () => {
  const { gateway, dir, asg, ingest, statusOf, waits } = await terminal();
  const calls = () =>
    Object.values(gateway.stats().calls)
      .flatMap((by) => Object.values(by))
      .reduce((sum, n) => sum + n, 0);
  const running = ingest(await writeManifest(dir, numbered(50)), '--rate', '20/s,40/h');
  // A slot that could not be used is given back: the window is full for good once all its calls are made.
  await until(() => calls() === 40, '40 calls', 90_000);
  await waits('rate');
  const { message, waiting_until } = await statusOf();
  expect(message).toContain('the 40 calls that --rate allows an hour are used up; goes on at');
  const waitMs = Date.parse(waiting_until ?? '') - Date.now();
  expect(waitMs).toBeGreaterThan(HOUR_MS - 60_000);
  expect(waitMs).toBeLessThan(1.1 * HOUR_MS);
  expect(calls()).toBe(40);
  const tuned = await asg('tune', 'r', '--rate', '200/s,1000/h', '--json');
  expect(JSON.parse(tuned.stdout).changes).toMatchObject([{ what: 'rate', to: '200/s,1000/h' }]);
  const { status: exit, stdout } = await running;
  expect([exit, JSON.parse(stdout)]).toMatchObject([0, { settled: 50, changes: [{ what: 'rate' }] }]);
  expect((await asg('rate', '10/fortnight')).status).toBe(2);
}, 180_000);

test('`tune` of a live run is felt by its processes, and noted in `status` and the summary', async () => {
  const { gateway, dir, asg, ingest, statusOf } = await terminal({ settle: { minMs: 3_000, maxMs: 3_000 } });
  const manifest = await writeManifest(dir, [line(0, { data_url: '' }), ...numbered(60)]);
  const running = ingest(
    manifest,
    '--max-in-flight',
    '5',
    '--max-queued',
    '10',
    '--spend',
    '1000000000',
    '--price',
    '1',
  );
  await until(() => gateway.stats().tasks === 5, 'a full window');
  const limits = ['--max-in-flight', '50', '--max-queued', '1000', '--max-failures', '10%'];
  const { status: exit, stdout } = await asg('tune', 'r', ...limits);
  expect(exit).toBe(0);
  expect(stdout.split('\n').slice(0, 4)).toEqual([
    'run r',
    '  max-in-flight 5 → 50',
    '  max-queued    10 → 1000',
    '  max-failures  none → 10%',
  ]);
  await until(() => gateway.stats().tasks >= 50, 'the larger window');
  expect((await asg('status', 'r')).stdout).toMatch(/changed +max-in-flight 5 → 50 at 20/);
  expect((await asg('tune', 'r', '--max-in-flight', '50')).stdout).toContain('so already');
  expect((await asg('tune', 'r')).status).toBe(2);
  const ended = await running;
  expect([ended.status, JSON.parse(ended.stdout).changes.length]).toEqual([3, 3]);
  expect((await statusOf()).changes.length).toBe(3);
  const late = await asg('tune', 'r', '--budget', '5');
  expect([late.status, late.stderr]).toEqual([1, expect.stringContaining('run r is completed')]);
}, 180_000);

test('what cannot be kept is refused', async () => {
  const { dir, ingest } = await terminal();
  const manifest = await writeManifest(dir, numbered(2));
  for (const [options, why] of [
    [['--spend', '1000', '--until', 'verified'], 'such answers do not say what a label cost'],
    [['--spend', '0'], '--spend: "0" is not a whole number from 1'],
    [['--hours', '22-6'], '--hours: "22-6" is not hours like 22:00-06:00'],
    [['--rate', '10/s,5/h'], '--rate: "10/s,5/h" is not a number above 0'],
  ] as const) {
    const { status: exit, stderr } = await ingest(manifest, ...options);
    expect([exit, stderr]).toEqual([2, expect.stringContaining(why)]);
  }
});
