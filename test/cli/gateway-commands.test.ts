import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { account } from '../../src/cli/commands/gateway/account.js';
import { batch } from '../../src/cli/commands/gateway/batch.js';
import { billing } from '../../src/cli/commands/gateway/billing.js';
import { task } from '../../src/cli/commands/gateway/task.js';
import { webhook } from '../../src/cli/commands/gateway/webhook.js';
import { type Sandbox, startSandbox } from '../../src/sandbox/index.js';
import { callMain } from './harness.js';

const commands = { account, batch, billing, task, webhook };
const LABELS = ['--question', 'Which?', '--options', 'cat,dog'];
const SECRET = 'whsec_0123456789';

let sandbox: Sandbox;
let dir: string;
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0, settle: { minMs: 50, maxMs: 50 } });
  dir = await mkdtemp(path.join(os.tmpdir(), 'asg-cli-'));
});
afterAll(async () => {
  await sandbox.close();
  await rm(dir, { recursive: true });
});

const call = (argv: string[], env: NodeJS.ProcessEnv = {}) =>
  callMain(argv, commands, {
    cwd: dir,
    env: { ASG_BASE_URL: sandbox.url, ASG_API_KEY: 'sk_sandbox_cli', ...env },
  });

async function json<T>(argv: string[], env?: NodeJS.ProcessEnv): Promise<T> {
  const { status, stdout, stderr } = await call([...argv, '--json'], env);
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as T;
}

test('task submit, get, wait and result', async () => {
  const submit = ['task', 'submit', 'https://x.example/1.jpg', ...LABELS, '--idempotency-key', 'one'];
  const { task_id } = await json<{ task_id: string }>(submit);
  expect(await json(submit)).toMatchObject({ task_id, idempotent: true });
  expect(await json(['task', 'get', task_id])).toMatchObject({ task_type: 'image_classification' });
  const result = await json(['task', 'wait', task_id, '--interval', '10ms', '--until', 'settled']);
  expect(result).toMatchObject({
    task_id,
    status: 'settled',
    settlement: { total_cost_sats: expect.any(Number) },
  });
  expect(await json(['task', 'result', task_id])).toEqual(result);
  const { stdout } = await call(['task', 'get', task_id]);
  expect(stdout).toContain(`task_id     ${task_id}\nstatus      settled\n`);
});

test('a wait that ends without a result is exit status 1, in one sentence', async () => {
  sandbox.set({ settle: { minMs: 60_000, maxMs: 60_000 } });
  onTestFinished(() => sandbox.set({ settle: { minMs: 50, maxMs: 50 } }));
  const { task_id } = await json<{ task_id: string }>([
    'task',
    'submit',
    'https://x.example/2.jpg',
    ...LABELS,
  ]);
  const { status, stderr } = await call(['task', 'wait', task_id, '--timeout', '60ms', '--interval', '10ms']);
  expect(status).toBe(1);
  expect(stderr).toContain(`task ${task_id}: no result within 60 ms`);
});

test.each([
  [['task', 'submit', 'https://x.example/1'], 2, '--question'],
  [['task', 'get', '..'], 2, 'task_id: ".." is no id'],
  [['task', 'get', 'tsk_none'], 1, 'the Gateway: 404: task not found'],
  [['task', 'submit', 'not-a-url', ...LABELS], 1, 'the Gateway: 400: data_url'],
  [['task'], 2, 'a command is missing'],
  [['webhook', 'register', 'https://me.example/cb'], 2, 'ASG_WEBHOOK_SECRET'],
  [['webhook', 'delete', 'whk_none'], 1, '404'],
  [['account', 'register', '--name', 'n'], 2, '--email'],
  [['billing', 'usage', '--month', '2026'], 2, '--month'],
  [['batch', 'submit', 'none.jsonl', ...LABELS], 2, 'none.jsonl'],
])('%j ends with %d and says why', async (argv, expected, says) => {
  const { status, stdout, stderr } = await call(argv);
  expect(status).toBe(expected);
  expect(stdout + stderr).toContain(says);
  expect(stderr).not.toMatch(/\n\s+at /);
});

test('the key comes from the environment or a file; a missing or refused one is said', async () => {
  await writeFile(path.join(dir, 'key'), 'sk_sandbox_cli\n');
  const fromFile = await json(['account', 'me'], { ASG_API_KEY: '', ASG_API_KEY_FILE: 'key' });
  expect(fromFile).toEqual(await json(['account', 'me']));
  expect(await call(['account', 'me'], { ASG_API_KEY: '' })).toMatchObject({ status: 2 });
  const refused = await call(['account', 'me'], { ASG_API_KEY: 'nonsense_key' });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('401: invalid API key');
  expect(refused.stderr).not.toContain('nonsense_key');
});

test('webhooks: registered once, listed, deleted; the secret is printed nowhere', async () => {
  const env = { ASG_WEBHOOK_SECRET: SECRET };
  const register = ['webhook', 'register', 'https://me.example/cb'];
  const first = await json<{ webhook_id: string }>(register, env);
  const second = await call([...register, '--json'], env);
  expect(JSON.parse(second.stdout)).toEqual(first);
  expect(second.stderr).toContain('registered already');
  expect(await json(['webhook', 'list'])).toEqual([first]);
  const table = await call(['webhook', 'list']);
  expect(table.stdout).toMatch(new RegExp(`^webhook_id .*\n${first.webhook_id} `));
  expect(`${second.stdout}${second.stderr}${table.stdout}`).not.toContain(SECRET);
  expect(await json(['webhook', 'delete', first.webhook_id])).toMatchObject({ deleted: true });
  expect(await json(['webhook', 'list'])).toEqual([]);
});

test('accounts and billing', async () => {
  const register = ['account', 'register', '--name', 'Ada', '--email', 'ada@example.org'];
  const { api_key } = await json<{ api_key: string }>(register, { ASG_API_KEY: '' });
  expect(await json(['account', 'me'], { ASG_API_KEY: api_key })).toMatchObject({ email: 'ada@example.org' });
  expect((await call(register)).stderr).toContain('409: email already registered');
  const month = new Date().toISOString().slice(0, 7);
  expect(await json(['billing', 'usage', '--month', month])).toMatchObject({ month });
  expect(await json(['billing', 'invoices'])).toHaveProperty('invoices');
  expect((await call(['billing', 'usage'])).stdout).toContain('total_cost_sats');
});

test('batch submit: the same file again buys nothing, broken lines are said, ids on request', async () => {
  const lines = [
    '{"data_url":"https://x.example/b1"}',
    '',
    '{broken',
    '{"data_url":"https://x.example/b2","type":"no such type"}',
    '{"data_url":"https://x.example/b3","idempotency_key":"mine"}',
  ];
  await writeFile(path.join(dir, 'items.jsonl'), lines.join('\n'));
  const submit = ['batch', 'submit', 'items.jsonl', ...LABELS];
  const before = sandbox.stats().tasks;
  const first = await call([...submit, '--json', '--resolve-ids']);
  const rows = first.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(first.status).toBe(3);
  expect(rows.map(({ line }) => line).sort()).toEqual([1, 3, 4, 5]);
  expect(rows.find(({ line }) => line === 5)).toMatchObject({
    idempotency_key: 'mine',
    task_id: expect.stringMatching(/^tsk_/),
    error: null,
  });
  expect(rows.find(({ line }) => line === 4).error).toContain('type must be one of');
  const second = await call(submit);
  expect(second.status).toBe(3);
  expect(second.stdout).toMatch(/^batch +tasks\nbat_\S+ +1\nbat_\S+ +1\n\nline +failed\n/);
  expect(sandbox.stats().tasks).toBe(before + 2);
});
