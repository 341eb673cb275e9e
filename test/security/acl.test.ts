import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { startCli, TASK } from '../pipeline/cli.js';
import { API_KEY, numbered, sandbox, tempDir, until, writeManifest } from '../pipeline/harness.js';
import { freePort } from '../setup/ports.js';
import { startRedisServer } from '../setup/redis-server.js';

/** As docs/operations.md gives it: the rules after `ACL SETUSER`. */
async function documentedRules(): Promise<string[]> {
  const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const rules = /^ACL SETUSER asg ([\s\S]*?)```/m.exec(text)?.[1] ?? '';
  return rules.replace(/\\\n/g, ' ').trim().split(/\s+/);
}

test('a run, and every command about it, with the user of docs/operations.md; it can do nothing else', async () => {
  const dir = await tempDir();
  const { port, server, redis: admin } = await startRedisServer(dir, { appendonly: 'yes' });
  onTestFinished(async () => {
    admin.disconnect();
    server.kill('SIGKILL');
    if (server.exitCode === null) await once(server, 'exit');
  });
  const rules = (await documentedRules()).map((rule) => (rule.startsWith('>') ? '>acl-password' : rule));
  expect(rules.length).toBeGreaterThan(10);
  const [major = 0, minor = 0] =
    /redis_version:([\d.]+)/
      .exec(await admin.info('server'))?.[1]
      ?.split('.')
      .map(Number) ?? [];
  const more = major > 7 || (major === 7 && minor >= 2) ? ['+client|setinfo'] : [];
  await admin.call('ACL', 'SETUSER', 'asg', ...rules, ...more);
  await admin.call('ACL', 'LOG', 'RESET');
  await admin.set('another-application', 'untouched');

  const gateway = await sandbox({ settle: { minMs: 50, maxMs: 300 }, errorRate: 0.05 });
  const webhookPort = await freePort();
  const env = {
    ASG_API_KEY: API_KEY,
    ASG_BASE_URL: gateway.url,
    ASG_WEBHOOK_SECRET: 'whsec',
    ASG_METRICS_TOKEN: 'viewer-token',
    ASG_OPERATOR_TOKEN: 'operator-token',
    REDIS_URL: `redis://asg:acl-password@127.0.0.1:${port}`,
  };
  const call = async (...args: string[]) => {
    const { status, stdout, stderr } = await startCli(args, { cwd: dir, env }).exit;
    return { status, stdout, stderr };
  };
  const manifest = await writeManifest(dir, [...numbered(80), 'broken']);
  const good = await writeManifest(dir, numbered(3), 'good.jsonl');
  const hook = [
    '--webhook-url',
    `http://127.0.0.1:${webhookPort}/hook`,
    '--webhook-port',
    String(webhookPort),
  ];
  const running = startCli(
    [
      'run',
      manifest,
      '--run-id',
      'r',
      '--out',
      'out',
      ...TASK,
      ...hook,
      '--metrics-port',
      '0',
      '--queue-board-writes',
    ],
    { cwd: dir, env },
  );
  let stderr = '';
  running.child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  await until(() => /listening on http/.test(stderr), 'the port', 60_000);
  const url = /listening on (http:\S+)/.exec(stderr)?.[1] ?? '';
  const authorization = 'Bearer operator-token';
  await until(() => /r → /.test(stderr), 'the run', 60_000);
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/runs/r'],
    ['GET', '/metrics'],
    ['GET', '/queues/api/queues?activeQueue=r%3Asubmit&status=latest&page=1&jobsPerPage=10'],
    ['PUT', '/queues/api/queues/r%3Asubmit/pause'],
    ['PUT', '/queues/api/queues/r%3Asubmit/resume'],
  ] as const)
    await fetch(url + path, { method, headers: { authorization } }).then(
      (answer) => answer.text(),
      () => undefined,
    );
  const ended = await running.exit;
  expect([ended.status, JSON.stringify(await admin.call('ACL', 'LOG'))], ended.stderr).toEqual([3, '[]']);

  // `doctor` asks once and tries nothing again.
  gateway.set({ errorRate: 0 });
  for (const [args, expected] of [
    [['status', 'r'], 0],
    [['runs', '--json'], 0],
    [['results', 'r'], 0],
    [['report', 'r'], 0],
    [['rate', '200'], 0],
    [['rate', 'auto'], 0],
    [['retry', 'r'], 3],
    [['produce', manifest, '--run-id', 'p', '--out', 'out-p', ...TASK], 0],
    [['pause', 'p'], 0],
    [['resume', 'p'], 0],
    [['cancel', 'p'], 0],
    [['runs', '--prune'], 0],
    [['doctor', good], 0],
  ] as const) {
    const { status, stdout, stderr: said } = await call(...args);
    const what = `${args.join(' ')}: ${said}${stdout.slice(-2_000)}`;
    expect([status, JSON.stringify(await admin.call('ACL', 'LOG'))], what).toEqual([expected, '[]']);
  }

  const user = new Redis({ port, host: '127.0.0.1', username: 'asg', password: 'acl-password' });
  onTestFinished(() => user.disconnect());
  for (const command of [
    ['CONFIG', 'SET', 'dir', '/tmp'],
    ['CONFIG', 'GET', 'requirepass'],
    ['FLUSHALL'],
    ['SHUTDOWN'],
    ['ACL', 'LIST'],
    ['MODULE', 'LIST'],
    ['KEYS', '*'],
    ['MONITOR'],
    ['REPLICAOF', '127.0.0.1', '1'],
    ['SAVE'],
    ['FUNCTION', 'LIST'],
    ['GET', 'another-application'],
    ['SET', 'another-application', 'changed'],
    ['EVAL', "return redis.call('GET', 'another-application')", '0'],
    ['SUBSCRIBE', 'another-channel'],
  ] as const)
    await expect(
      user.call(...(command as unknown as [string, ...string[]])),
      command.join(' '),
    ).rejects.toThrow(/NOPERM|permission|can't access/i);
  expect(await admin.get('another-application')).toBe('untouched');
}, 900_000);
