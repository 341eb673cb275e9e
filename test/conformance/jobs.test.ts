import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ASGGatewayClient } from '../../src/gateway/index.js';
import { conformanceTarget } from './target.js';

const gateway = conformanceTarget();
const label_spec = { question: 'Which animal?', options: ['cat', 'dog'] };
const anyText = expect.stringMatching(/./);

async function manifestServer(lines: object[]) {
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const server = createServer((_request, response) => response.end(body)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/items.jsonl`;
}

test('the Gateway reads the manifest itself and makes a task of each line', async (context) => {
  gateway.needsLoopback(context);
  const line = () => ({ data_url: `https://images.example.org/${gateway.fresh()}`, metadata: { n: 1 } });
  const manifest_url = await manifestServer([line(), line(), line()]);
  const before = await gateway.quota();
  const { status, body } = await gateway.post('/v1/jobs', { manifest_url, label_spec });
  expect(Math.floor(status / 100)).toBe(2);
  expect(body).toMatchObject({ job_id: anyText, status: anyText });
  const client = new ASGGatewayClient({ apiKey: gateway.key, baseUrl: gateway.url });
  const job = await client.waitForJob(body.job_id, { interval: 50, timeout: 60_000 });
  await client.close();
  expect(job.job_id).toBe(body.job_id);
  expect(await gateway.quota()).toBe(before - 3);
});

test.each([
  [
    's3://conformance-bucket/items.jsonl',
    { access_key_id: 'AKIACONFORMANCE', secret_access_key: 's3cret-value', region: 'us-east-1' },
  ],
  [
    'gs://conformance-bucket/items.jsonl',
    { service_account_json: '{"type":"service_account","private_key":"s3cret-value"}' },
  ],
])('credentials for %s never come back', async (manifest_url, credentials) => {
  const created = await gateway.post('/v1/jobs', { manifest_url, label_spec, credentials });
  expect(Math.floor(created.status / 100)).toBe(2);
  const found = await gateway.get(`/v1/jobs/${created.body.job_id}`);
  expect(found.status).toBe(200);
  for (const { body } of [created, found]) {
    expect(body).not.toHaveProperty('credentials');
    expect(JSON.stringify(body)).not.toMatch(/AKIACONFORMANCE|s3cret-value/);
  }
});

test.each([
  ['no manifest', { label_spec }],
  ['a manifest that is no URL', { manifest_url: 'items.jsonl', label_spec }],
  ['no label spec', { manifest_url: 'https://x.example/items.jsonl' }],
  ['one option', { manifest_url: 'https://x.example/i', label_spec: { question: 'Which?', options: ['a'] } }],
  ['a threshold of 11', { manifest_url: 'https://x.example/i', label_spec, consensus_threshold: 11 }],
])('400 for %s', async (_what, body) => {
  expect(await gateway.post('/v1/jobs', body)).toMatchObject({ status: 400, body: { error: anyText } });
});

test('404 for a job that is not there', async () => {
  expect((await gateway.get('/v1/jobs/job_none')).status).toBe(404);
});
