import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ASGGatewayClient } from '../../src/gateway/index.js';
import { type SandboxOptions, startSandbox } from '../../src/sandbox/index.js';
import { BUCKET, testStores } from '../lib/object-stores/stores.js';
import { call, KEY, task, tempDir, until } from './client.js';

const stores = testStores();
const LABELS = { question: 'Which animal?', options: ['cat', 'dog'] };
const MANIFEST = '{"data_url":"https://images.example.org/1.jpg"}\n';
const KEYS = { access_key_id: 'AKIAGUARD', secret_access_key: 'guard-secret', region: 'us-east-1' };

async function gateway(options: Partial<SandboxOptions> = {}) {
  const sandbox = await startSandbox({ port: 0, settle: { minMs: 10, maxMs: 10 }, ...options });
  const client = new ASGGatewayClient({ apiKey: KEY, baseUrl: sandbox.url });
  onTestFinished(async () => {
    await client.close();
    await sandbox.close();
  });
  const create = (body: object) => call(sandbox.url, 'POST', '/v1/jobs', { label_spec: LABELS, ...body });
  const wait = (id: string) => client.waitForJob(id, { interval: 20, timeout: 20_000 });
  return { sandbox, client, create, wait };
}

/** A service of this machine that nobody outside may reach through the Gateway. */
async function inside() {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end(MANIFEST);
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return { asked, port: (server.address() as AddressInfo).port };
}

test('a manifest at an internal address is not read: said at once, or by what its name stands for', async () => {
  const { asked, port } = await inside();
  const { create, wait, sandbox } = await gateway();
  for (const host of [
    '127.0.0.1',
    'localhost',
    '169.254.169.254',
    '10.0.0.1',
    '[::1]',
    '[fd00:ec2::254]',
    '2130706433',
    '0.0.0.0',
  ]) {
    const answer = await create({ manifest_url: `http://${host}:${port}/latest/meta-data` });
    expect([answer.status, answer.body.error], host).toEqual([
      400,
      expect.stringContaining('--allow-internal-addresses'),
    ]);
  }
  // This machine's own name stands for an address of it.
  const named = await create({ manifest_url: `http://${os.hostname()}:${port}/items` });
  expect(named.status).toBe(202);
  const job = await wait((named.body as unknown as { job_id: string }).job_id);
  expect(job).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/not a public address|ENOTFOUND|EAI_AGAIN/),
  });
  expect(asked).toEqual([]);
  expect(sandbox.stats().tasks).toBe(0);
});

test('allowed, both are read', async () => {
  const { port } = await inside();
  const { create, wait } = await gateway({ allowInternalAddresses: true });
  const { body } = await create({ manifest_url: `http://127.0.0.1:${port}/items` });
  expect(await wait((body as unknown as { job_id: string }).job_id)).toMatchObject({
    status: 'completed',
    task_count: 1,
  });
});

test('callbacks: none to internal addresses by a job; by a task only to the machine that the Gateway serves', async () => {
  const { asked, port } = await inside();
  const local = `http://127.0.0.1:${port}/local`;
  const { client, create, sandbox } = await gateway();
  for (const callback_url of [local, 'http://169.254.169.254/hook'])
    await client.registerWebhook({ callback_url, secret: 's' });
  for (const callback_url of [local, 'http://169.254.169.254/hook']) {
    const job = await create({ manifest_url: 'https://example.org/items', callback_url });
    expect([job.status, job.body.error]).toEqual([
      400,
      expect.stringContaining('callback_url is not at a public address'),
    ]);
  }
  await call(sandbox.url, 'POST', '/v1/tasks', task(1, { callback_url: local }));
  await until(() => asked.includes('POST /local'), 'the delivery to this machine');

  // One that others can reach delivers to none of this machine's services.
  const open = await gateway({ host: '0.0.0.0', webhookWaitsMs: [1, 1] });
  const url = `http://127.0.0.1:${port}/open`;
  await open.client.registerWebhook({ callback_url: url, secret: 's' });
  await call(open.sandbox.url, 'POST', '/v1/tasks', task(1, { callback_url: url }));
  await until(() => open.sandbox.stats().deliveries.failed === 3, 'three attempts that failed');
  expect(asked).toEqual(['POST /local']);
});

test("a job's own credentials or none: this process's are used where that was allowed", async () => {
  await stores.s3.put('items.jsonl', MANIFEST);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOFTHEPROCESS');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret-of-the-process');
  onTestFinished(() => void vi.unstubAllEnvs());
  const used = new Set<string>();
  stores.s3.proxy.fault = ({ headers }) => {
    used.add(/Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1] ?? 'none');
    return null;
  };
  const endpoints = { s3Endpoint: stores.s3.endpoint, gcsEndpoint: stores.gs.endpoint };
  const closed = await gateway(endpoints);
  const manifest_url = stores.s3.uri('items.jsonl');
  const delivery = { type: 's3', bucket: BUCKET };
  for (const body of [
    { manifest_url },
    { manifest_url: 'gs://bucket/items.jsonl' },
    { manifest_url: 'https://example.org/items', delivery },
  ]) {
    const answer = await closed.create(body);
    expect([answer.status, answer.body.error]).toEqual([
      400,
      expect.stringContaining('--allow-own-credentials'),
    ]);
  }
  expect([...used]).toEqual([]);
  const allowed = await gateway({ ...endpoints, allowOwnCredentials: true });
  const { body } = await allowed.create({ manifest_url, delivery });
  expect(await allowed.wait((body as unknown as { job_id: string }).job_id)).toMatchObject({
    status: 'completed',
  });
  expect([...used]).toEqual(['AKIAOFTHEPROCESS']);
});

test('a job that was created while more was allowed is not gone on with by a process that allows less', async () => {
  await stores.s3.put('items.jsonl', MANIFEST);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOFTHEPROCESS');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret-of-the-process');
  onTestFinished(() => void vi.unstubAllEnvs());
  const key = 'ab'.repeat(32);
  vi.stubEnv('ASG_ENCRYPTION_KEY', key);
  const common = {
    dir: await tempDir(),
    s3Endpoint: stores.s3.endpoint,
    settle: { minMs: 30_000, maxMs: 30_000 },
  };
  const first = await gateway({ ...common, allowOwnCredentials: true });
  const { body } = await first.create({ manifest_url: stores.s3.uri('items.jsonl') });
  const { job_id } = body as unknown as { job_id: string };
  await until(async () => (await first.client.getJob(job_id)).task_count === 1, 'the task of the job');
  await first.sandbox.close();
  const second = await gateway(common);
  expect(await second.wait(job_id)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('--allow-own-credentials'),
  });
});

const GOOGLE: object[] = [
  { type: 'external_account', credential_source: { url: 'http://169.254.169.254/' } },
  { type: 'external_account', credential_source: { file: '/etc/passwd' } },
  { type: 'service_account', client_email: 'a@b', private_key: 'k', universe_domain: 'evil.example' },
  { type: 'service_account' },
];
const LEADING_ELSEWHERE: object[] = [
  { credentials: { ...KEYS, region: 'x@evil.example/' } },
  { credentials: { ...KEYS, region: 'evil.example' } },
  ...GOOGLE.map((account) => ({
    manifest_url: 'gs://b/k',
    credentials: { service_account_json: JSON.stringify(account) },
  })),
];

test.each(LEADING_ELSEWHERE)('400 for credentials that would lead elsewhere: %j', async (extra) => {
  const { create } = await gateway();
  expect((await create({ manifest_url: 's3://bucket/key', ...extra })).status).toBe(400);
});
