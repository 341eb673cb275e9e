import { expect, onTestFinished, test } from 'vitest';
import { startCli, TASK } from '../pipeline/cli.js';
import { boughtTasks, numbered, sandbox, tempDir, until, writeManifest } from '../pipeline/harness.js';
import { startBreakingProxy } from '../setup/breaking-proxy.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

test('--budget 10 buys 10, though the process that had reserved them sleeps, is taken over from, and wakes', async () => {
  // The calls of the first are out while it sleeps.
  const gateway = await sandbox({ latency: { minMs: 1_500, maxMs: 1_500 } });
  const proxy = await startBreakingProxy(gateway.url);
  onTestFinished(() => proxy.close());
  let submissions = 0;
  proxy.fault = ({ method }) => {
    if (method === 'POST') submissions += 1;
    return null;
  };
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(60));
  const store = ['--redis-url', `unix://${testRedis().socketPath}`, '--prefix', uniquePrefix()];
  const args = [
    ...['run', manifest, '--run-id', 'r', '--out', 'out', '--budget', '10', '--json', ...TASK],
    ...['--gateway-url', proxy.url, ...store],
  ];
  const first = startCli(args, { cwd: dir });
  await until(() => submissions === 10, 'all ten are submitted', 60_000);
  first.kill('SIGSTOP');
  expect(gateway.stats().tasks).toBeLessThan(10);
  const second = startCli(args, { cwd: dir });
  let said = '';
  second.child.stderr?.on('data', (text) => {
    said += text;
  });
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
