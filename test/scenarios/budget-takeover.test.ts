import { expect, test } from 'vitest';
import { startCli, TASK } from '../pipeline/cli.js';
import { boughtTasks, numbered, sandbox, tempDir, until, writeManifest } from '../pipeline/harness.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

test('--budget 10 buys 10, though the process that had reserved them sleeps, is taken over from, and wakes', async () => {
  // The calls of the first are out while it sleeps.
  const gateway = await sandbox({ latency: { minMs: 1_500, maxMs: 1_500 } });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(60));
  const store = ['--redis-url', `unix://${testRedis().socketPath}`, '--prefix', uniquePrefix()];
  const args = [
    ...['run', manifest, '--run-id', 'r', '--out', 'out', '--budget', '10', '--json', ...TASK],
    ...['--gateway-url', gateway.url, ...store],
  ];
  const first = startCli(args, { cwd: dir });
  await until(() => gateway.stats().tasks > 0 && gateway.stats().tasks < 10, 'some of the ten', 60_000);
  first.kill('SIGSTOP');
  const second = startCli(args, { cwd: dir });
  let said = '';
  second.child.stderr?.on('data', (text) => {
    said += text;
  });
  // By then the first one's jobs are its own.
  await until(
    () => said.includes('"blocked"') || second.child.exitCode !== null,
    'the budget is spent',
    90_000,
  );
  first.kill('SIGCONT');
  for (const { exit } of [first, second]) {
    const { status, stderr } = await exit;
    expect(status, stderr).toBe(4);
    expect(stderr).toContain('blocked (budget)');
  }
  expect((await boughtTasks(gateway.url)).length).toBe(10);
  const more = startCli([...args.map((arg) => (arg === '10' ? '60' : arg))], { cwd: dir });
  const { status, stdout, stderr } = await more.exit;
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', settled: 60, failed: 0 });
  expect((await boughtTasks(gateway.url)).length).toBe(60);
}, 240_000);
