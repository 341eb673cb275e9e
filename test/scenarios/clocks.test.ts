import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { buildClock, makeClock } from '../campaign/parts/clock.js';
import { type RedisServer, startRedis } from '../campaign/parts/redis-server.js';
import { startCli, TASK } from '../pipeline/cli.js';
import {
  boughtTasks,
  numbered,
  readOut,
  sandbox,
  tempDir,
  until,
  writeManifest,
} from '../pipeline/harness.js';

/** Less than the clock is set back by: nothing may wait for it to get there again. */
vi.setConfig({ testTimeout: 200_000 });

let clock: Awaited<ReturnType<typeof buildClock>> = null;
beforeAll(async () => {
  clock = await buildClock();
});
afterAll(() => clock?.remove());

/** A run of so many lines on a Redis whose clock can be set. */
async function world(lines: number, args: string[] = []) {
  const dir = await tempDir();
  const library = clock?.library ?? null;
  const redis: RedisServer = await startRedis(path.join(dir, 'redis'), {
    fsync: 'everysec',
    clockLibrary: library,
  });
  onTestFinished(() => redis.close());
  const gateway = await sandbox({ settle: { minMs: 200, maxMs: 800 } });
  const manifest = await writeManifest(dir, numbered(lines));
  const store = ['--redis-url', `redis://127.0.0.1:${redis.port}`, '--prefix', 'c'];
  const pipeline = ['--gateway-url', gateway.url, '--rate', '60', ...store];
  const run = ['run', manifest, '--run-id', 'r', '--out', 'out', '--json', ...TASK, ...pipeline, ...args];
  return { dir, redis, gateway, pipeline, run };
}

type World = Awaited<ReturnType<typeof world>>;

/** Every line has settled, and was bought once. */
async function isWhole({ dir, gateway }: World, stdout: string, lines: number): Promise<void> {
  expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', lines, settled: lines, failed: 0 });
  const { results } = await readOut(path.join(dir, 'out'));
  expect(new Set(results.map((row) => row.line)).size).toBe(lines);
  expect((await boughtTasks(gateway.url)).length).toBe(lines);
}

/** Whether the command ends before the clock has got back to where it was. */
async function endsInTime(exit: Promise<{ status: number | null; stdout: string; stderr: string }>) {
  const late = sleep(150_000, null, { ref: false });
  const ended = await Promise.race([exit, late]);
  expect(ended, 'it waits for the clock').not.toBeNull();
  return ended ?? { status: null, stdout: '', stderr: '' };
}

test.skipIf(process.platform !== 'linux')(
  "Redis' clock set back by 5 minutes in mid-run stops nothing",
  async (context) => {
    if (clock === null) return context.skip('no C compiler');
    const at = await world(300, ['--max-in-flight', '40']);
    const running = startCli(at.run, { cwd: at.dir });
    await until(() => at.gateway.stats().tasks >= 60, 'tasks', 60_000);
    await at.redis.stepClock?.(-300);
    const { status, stdout, stderr } = await endsInTime(running.exit);
    expect(status, stderr).toBe(0);
    await isWhole(at, stdout, 300);
  },
);

test.skipIf(process.platform !== 'linux')(
  'the same, after a process was killed: what it held is not held for 5 minutes more',
  async (context) => {
    if (clock === null) return context.skip('no C compiler');
    const at = await world(200, ['--max-in-flight', '40']);
    const killed = startCli(at.run, { cwd: at.dir });
    await until(() => at.gateway.stats().tasks >= 60, 'tasks', 60_000);
    killed.kill('SIGKILL');
    await killed.exit;
    await at.redis.stepClock?.(-300);
    const { status, stdout, stderr } = await endsInTime(startCli(at.run, { cwd: at.dir }).exit);
    expect(status, stderr).toBe(0);
    await isWhole(at, stdout, 200);
  },
);

test.skipIf(process.platform !== 'linux')(
  'hosts whose clocks are an hour apart: no result times out, no task is polled more than it would be',
  async (context) => {
    if (clock === null) return context.skip('no C compiler');
    const at = await world(200, ['--result-timeout', '5m']);
    const { library } = clock;
    const hosts = await Promise.all(
      [3_600, -3_600].map(async (seconds) => {
        const host = await makeClock(library, path.join(at.dir, `clock${seconds}`));
        await host.step(seconds);
        return startCli(['work', ...at.pipeline, '--concurrency', '20', '--metrics-port', '0'], {
          cwd: at.dir,
          env: host.env,
        });
      }),
    );
    let said = '';
    for (const { child } of hosts) child.stderr?.on('data', (text) => (said += text));
    await until(() => (said.match(/listening on/g) ?? []).length === 2, 'both hosts', 60_000);
    const { status, stdout, stderr } = await endsInTime(startCli(at.run, { cwd: at.dir }).exit);
    expect(status, stderr).toBe(0);
    await isWhole(at, stdout, 200);
    expect(JSON.parse(stdout).polls_per_label).toBeLessThan(8);
    for (const host of hosts) {
      host.kill('SIGTERM');
      expect((await host.exit).status).toBe(143);
    }
  },
);
