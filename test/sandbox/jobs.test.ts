import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { job } from '../../src/cli/commands/gateway/job.js';
import { ASGGatewayClient, type JobCredentials } from '../../src/gateway/index.js';
import { type SandboxOptions, startSandbox } from '../../src/sandbox/index.js';
import { callMain } from '../cli/harness.js';
import { BUCKET, testStores } from '../lib/object-stores/stores.js';
import { call, KEY, tempDir } from './client.js';

const stores = testStores();
const ENCRYPTION_KEY = randomBytes(32).toString('hex');
const LABELS = { question: 'Which animal?', options: ['cat', 'dog'] };
const ACCESS = 'AKIAJOBACCESS0001';
const SECRET = 's3cret/With+Chars"0123456789';
const PRIVATE = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n';
const ACCOUNT = JSON.stringify({
  type: 'service_account',
  client_email: 'jobs@project.example',
  private_key_id: 'f00dfeed00112233',
  private_key: PRIVATE,
});
const CREDENTIALS: Record<'s3' | 'gs', JobCredentials> = {
  s3: { access_key_id: ACCESS, secret_access_key: SECRET, region: 'us-east-1' },
  gs: { service_account_json: ACCOUNT },
};
/** None of them may be seen anywhere, in any of the forms that JSON gives them. */
const FORBIDDEN = [ACCESS, SECRET, PRIVATE, 'MIIEvQIBADANBg', 'f00dfeed00112233', ENCRYPTION_KEY].flatMap(
  (secret) => [secret, JSON.stringify(secret).slice(1, -1)],
);
const MANIFEST = [
  '{"data_url":"https://images.example.org/1.jpg","metadata":{"sku":"a"}}',
  '',
  'broken',
  '{"data_url":"https://images.example.org/2.jpg"}',
].join('\n');

async function gateway(options: Partial<SandboxOptions> = {}, key: string | undefined = ENCRYPTION_KEY) {
  const { s3, gs } = stores;
  const endpoints = { s3Endpoint: s3.endpoint, gcsEndpoint: gs.endpoint };
  const settle = { minMs: 50, maxMs: 50 };
  const sandbox = await startSandbox(
    { port: 0, settle, ...endpoints, allowInternalAddresses: true, ...options },
    key,
  );
  const client = new ASGGatewayClient({ apiKey: KEY, baseUrl: sandbox.url });
  const close = async () => {
    await client.close();
    await sandbox.close();
  };
  onTestFinished(close);
  return {
    sandbox,
    client,
    close,
    wait: (id: string) => client.waitForJob(id, { interval: 20, timeout: 20_000 }),
  };
}

async function filesOf(dir: string): Promise<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const texts = await Promise.all(
    files.map((file) => readFile(path.join(file.parentPath, file.name), 'latin1')),
  );
  return texts.join('\n');
}

function expectNoSecret(text: string): void {
  for (const secret of FORBIDDEN) expect(text.includes(secret), 'a credential is there').toBe(false);
}

describe.each(['s3', 'gs'] as const)('a manifest in %s', (scheme) => {
  test('is read with the credentials, labeled, and delivered; they are in no answer and no stored byte', async () => {
    const store = stores[scheme];
    await store.put('items.jsonl', MANIFEST);
    const used = new Set<string>();
    stores.s3.proxy.fault = ({ headers }) => {
      used.add(/Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1] ?? 'none');
      return null;
    };
    const dir = await tempDir();
    const { sandbox, client, wait } = await gateway({ dir });
    const created = await client.createJob({
      manifest_url: store.uri('items.jsonl'),
      label_spec: LABELS,
      credentials: CREDENTIALS[scheme],
      ...(scheme === 's3' && { delivery: { type: 's3' as const, bucket: BUCKET } }),
    });
    const ended = await wait(created.job_id);
    expect(ended).toMatchObject({
      status: 'completed',
      task_count: 2,
      settled_count: 2,
      rejected_count: 1,
      error: null,
    });
    expect(sandbox.stats().tasks).toBe(2);
    expectNoSecret(JSON.stringify([created, ended]) + (await filesOf(dir)));
    expect(created).not.toHaveProperty('credentials');
    if (scheme === 'gs') return;
    expect([...used]).toEqual([ACCESS]);
    const key = `${created.job_id}/results.jsonl`;
    const { version } = await store.store.head({ bucket: BUCKET, key });
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.store.read({ bucket: BUCKET, key }, 0, version)) chunks.push(chunk);
    const rows = Buffer.concat(chunks)
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ line }) => line)).toEqual([1, 3, 4]);
    expect(rows[0]).toMatchObject({
      metadata: { sku: 'a' },
      status: 'settled',
      bsv_txid: expect.any(String),
    });
    expect(rows[1].error.code).toBe('invalid_json');
  });
});

test('a job that was cut off goes on after a start, and buys nothing twice; under another key it fails', async () => {
  await stores.s3.put('items.jsonl', MANIFEST);
  const dir = await tempDir();
  const slow = { dir, settle: { minMs: 30_000, maxMs: 30_000 } };
  const first = await gateway(slow);
  const params = {
    manifest_url: stores.s3.uri('items.jsonl'),
    label_spec: LABELS,
    credentials: CREDENTIALS.s3,
  };
  const [one, two] = [await first.client.createJob(params), await first.client.createJob(params)];
  for (const { job_id } of [one, two])
    await expect
      .poll(() => first.client.getJob(job_id).then((job) => job.task_count), { timeout: 10_000 })
      .toBe(2);
  await first.close();

  const other = await gateway(slow, randomBytes(32).toString('hex'));
  const failed = await other.wait(one.job_id);
  expect(failed).toMatchObject({ status: 'failed', error: expect.stringContaining('ASG_ENCRYPTION_KEY') });
  await other.wait(two.job_id);
  await other.close();
  expect(other.sandbox.stats().tasks).toBe(4);
});

test('a job that was cut off is completed by the next start', async () => {
  await stores.s3.put('items.jsonl', MANIFEST);
  const dir = await tempDir();
  const settle = { minMs: 1_000, maxMs: 1_000 };
  const first = await gateway({ dir, settle });
  const params = {
    manifest_url: stores.s3.uri('items.jsonl'),
    label_spec: LABELS,
    credentials: CREDENTIALS.s3,
  };
  const { job_id } = await first.client.createJob(params);
  await expect
    .poll(() => first.client.getJob(job_id).then((job) => job.task_count), { timeout: 10_000 })
    .toBe(2);
  await first.close();
  const second = await gateway({ dir, settle });
  expect(await second.wait(job_id)).toMatchObject({ status: 'completed', task_count: 2 });
  expect(second.sandbox.stats()).toMatchObject({ tasks: 2, duplicate_charges: 0 });
});

test('an https manifest; quota that ends; a manifest that is not there', async () => {
  const server = createServer((request, response) =>
    request.url?.startsWith('/items') ? response.end(MANIFEST) : response.writeHead(404).end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const dir = await tempDir();
  const { client, sandbox, wait } = await gateway({ dir });
  const job = await client.createJob({
    manifest_url: `${origin}/items?signature=s1gnature`,
    label_spec: LABELS,
  });
  expect(job.manifest_url).toBe(`${origin}/items`);
  expect(await wait(job.job_id)).toMatchObject({ status: 'completed', task_count: 2 });
  expect(await filesOf(dir)).not.toContain('s1gnature');

  sandbox.set({ quota: 3 });
  const short = await client.createJob({ manifest_url: `${origin}/items`, label_spec: LABELS });
  expect(await wait(short.job_id)).toMatchObject({
    status: 'failed',
    task_count: 1,
    error: 'quota exhausted',
  });
  const gone = await client.createJob({ manifest_url: `${origin}/gone`, label_spec: LABELS });
  expect(await wait(gone.job_id)).toMatchObject({ status: 'failed', error: expect.stringContaining('404') });
});

test('credentials that the store refuses fail the job, and its error does not hold them', async () => {
  stores.s3.proxy.fault = () => ({
    status: 403,
    body: `<Error><Code>InvalidAccessKeyId</Code><Message>${ACCESS} ${SECRET}</Message></Error>`,
  });
  const { client, wait } = await gateway();
  const { job_id } = await client.createJob({
    manifest_url: stores.s3.uri('items.jsonl'),
    label_spec: LABELS,
    credentials: CREDENTIALS.s3,
  });
  const failed = await wait(job_id);
  expect(failed).toMatchObject({ status: 'failed', error: expect.stringMatching(/credentials/) });
  expectNoSecret(JSON.stringify(failed));
});

test.each([
  ['no manifest', { manifest_url: undefined }],
  ['a path of this machine', { manifest_url: '/etc/passwd' }],
  ['a file URL', { manifest_url: 'file:///etc/passwd' }],
  ['no label spec', { label_spec: undefined }],
  ['an unknown type', { task_type: 'poetry' }],
  ['keys that are not all there', { credentials: { access_key_id: ACCESS, secret_access_key: SECRET } }],
  ['a service account for S3', { credentials: CREDENTIALS.gs }],
  ['keys for GCS', { manifest_url: 'gs://bucket/key', credentials: CREDENTIALS.s3 }],
  [
    'a service account that is no JSON',
    { manifest_url: 'gs://b/k', credentials: { service_account_json: SECRET } },
  ],
  ['a delivery that is none', { delivery: { type: 'ftp', bucket: 'b' } }],
  ['a callback URL that is not registered', { callback_url: 'https://nobody.example/cb' }],
])('400 for %s, without repeating anything', async (_what, extra) => {
  const { sandbox } = await gateway();
  const body = { manifest_url: 's3://bucket/key', label_spec: LABELS, credentials: CREDENTIALS.s3, ...extra };
  const answer = await call(sandbox.url, 'POST', '/v1/jobs', body);
  expect(answer.status).toBe(400);
  expectNoSecret(JSON.stringify(answer.body));
});

test('another customer does not see the job', async () => {
  const { sandbox, client } = await gateway();
  const { job_id } = await client.createJob({ manifest_url: 'https://127.0.0.1:1/x', label_spec: LABELS });
  expect((await call(sandbox.url, 'GET', `/v1/jobs/${job_id}`, undefined, 'sk_sandbox_other')).status).toBe(
    404,
  );
});

test('job create, get and wait from the command line: nothing printed, at the most verbose, holds a credential', async () => {
  await stores.s3.put('items.jsonl', MANIFEST);
  const cwd = await tempDir();
  const dir = await tempDir();
  const { sandbox } = await gateway({ dir });
  const env = {
    ASG_API_KEY: KEY,
    ASG_BASE_URL: sandbox.url,
    AWS_ACCESS_KEY_ID: ACCESS,
    AWS_SECRET_ACCESS_KEY: SECRET,
    AWS_REGION: 'us-east-1',
  };
  const asgIngest = (argv: string[]) => callMain(argv, { job }, { cwd, env });
  const labels = ['--question', 'Which?', '--options', 'cat,dog'];
  const verbose = ['--log-level', 'trace', '--debug'];
  const source = stores.s3.uri('items.jsonl');
  const create = [
    'job',
    'create',
    source,
    ...labels,
    '--credentials-from',
    'env',
    '--delivery',
    `s3://${BUCKET}`,
  ];
  const created = await asgIngest([...create, ...verbose, '--json']);
  expect(created.status).toBe(0);
  const { job_id } = JSON.parse(created.stdout) as { job_id: string };
  const waited = await asgIngest(['job', 'wait', job_id, '--interval', '20ms']);
  expect(waited.status).toBe(0);
  expect(waited.stderr).toMatch(new RegExp(`${job_id} completed .*settled_count 2`));
  expect(waited.stdout).toMatch(/^status +completed$/m);
  const refused = await asgIngest([...create, ...verbose, '--task-type', 'poetry']);
  expect(refused.status).toBe(1);
  const printed = [created, waited, refused].map(({ stdout, stderr }) => stdout + stderr).join('\n');
  expectNoSecret(printed + (await filesOf(dir)) + (await filesOf(cwd)));
});
