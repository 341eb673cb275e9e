import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { call, recorded, start, task, tempDir, until } from './client.js';

test('a batch that holds a key twice buys it once', async () => {
  const sandbox = await start({ quota: 1, batchTaskIds: true });
  const twice = { tasks: [task(1, { idempotency_key: 'k' }), task(1, { idempotency_key: 'k' })] };
  const { status, body } = await sandbox.post('/v1/tasks/batch', twice);
  expect(status).toBe(202);
  const [{ task_id } = { task_id: '' }] = await recorded(sandbox.url);
  expect(body).toMatchObject({ task_count: 2, task_ids: [task_id, task_id] });
  expect(sandbox.stats()).toMatchObject({ tasks: 1, idempotency_keys: 1, duplicate_charges: 0 });
});

test('a verified task has its label but no payment yet', async () => {
  const { post, get } = await start({ settle: { minMs: 600_000, maxMs: 600_000 }, verifiedForMs: 600_000 });
  const { task_id } = (await post('/v1/tasks', task())).body;
  const { status, body } = await get(`/v1/tasks/${task_id}/result`);
  expect([status, (await get(`/v1/tasks/${task_id}`)).body]).toMatchObject([200, { status: 'verified' }]);
  expect(body).toMatchObject({ status: 'verified', consensus_label: expect.any(String) });
  expect(body).not.toHaveProperty('bsv_txid');
  expect(body).not.toHaveProperty('settlement');
});

test.each([
  ['flat', true, false],
  ['nested', false, true],
] as const)('settlement fields can come %s alone', async (settlementShape, flat, nested) => {
  const { post, get } = await start({ settlementShape });
  const { task_id } = (await post('/v1/tasks', task())).body;
  const { body } = await get(`/v1/tasks/${task_id}/result`);
  expect(['bsv_txid' in body, 'cost_sats' in body, 'settled_at' in body]).toEqual([flat, flat, flat]);
  expect('settlement' in body).toBe(nested);
});

test('the limit holds for unknown paths and can be told in headers', async () => {
  const { get } = await start({ rateLimit: 2, rateLimitHeaders: true });
  const { headers } = await get('/v1/nothing');
  expect(headers).toMatchObject({ 'ratelimit-policy': '"default";q=2;w=1', 'x-ratelimit-remaining': '1' });
  await get('/v1/nothing');
  const refused = await get('/v1/nothing');
  expect(refused).toMatchObject({ status: 429, headers: { 'x-ratelimit-remaining': '0' } });
});

test('keys can be restricted; those of registered customers stay good', async () => {
  const { get, post, ...sandbox } = await start({ apiKeys: ['sk_live_a'] });
  const { api_key } = (await post('/v1/customers', { name: 'A', email: 'a@example.org' }, null)).body;
  expect((await get('/v1/customers/me', 'sk_live_a')).status).toBe(200);
  expect((await get('/v1/customers/me', api_key)).status).toBe(200);
  expect((await get('/v1/customers/me', 'sk_live_b')).status).toBe(401);
  sandbox.set({ apiKeys: ['sk_live_b'] });
  expect((await get('/v1/customers/me', 'sk_live_a')).status).toBe(401);
});

test.each([
  ['three times, then no more', 3, () => 503],
  ['no more once it was taken', 2, (tries: number) => (tries % 2 === 1 ? 503 : 200)],
])('a webhook is tried %s', async (_what, times, statusOf) => {
  let tries = 0;
  const server = createServer((_request, response) => {
    tries += 1;
    response.writeHead(statusOf(tries)).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const callback_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const { post } = await start({ webhookWaitsMs: [5, 5] });
  await post('/v1/webhooks', { callback_url, secret: 's' });
  await post('/v1/tasks', task(1, { callback_url }));
  await until(() => tries === times, 'its attempts');
  // A later task's attempts end after any further one of the first's would have come.
  await post('/v1/tasks', task(2, { callback_url }));
  await until(() => tries >= 2 * times, 'those of another task');
  expect(tries).toBe(2 * times);
});

test('the journal holds no key, and one that is damaged is not thrown away', async () => {
  const dir = await tempDir();
  const sandbox = await start({ dir });
  await sandbox.post('/v1/tasks', task(1, { idempotency_key: 'k' }), 'sk_live_secret');
  await sandbox.close();
  const file = path.join(dir, 'journal.jsonl');
  const text = await readFile(file, 'utf8');
  expect(text).toContain('"k"');
  expect(text).not.toContain('sk_live_secret');
  const damaged = text.replace('["s"', '["s');
  await writeFile(file, damaged);
  await expect(start({ dir })).rejects.toMatchObject({
    code: 'sandbox',
    message: expect.stringMatching(/journal\.jsonl, line 3/),
  });
  expect(await readFile(file, 'utf8')).toBe(damaged);
});

test('bad options are refused by name, at the start and later', async () => {
  await expect(start({ errorRate: 2 })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/errorRate/),
  });
  const { url } = await start();
  const set = (patch: object) => call(url, 'POST', '/__sandbox/set', patch, null);
  expect(await set({ port: 1 })).toMatchObject({
    status: 400,
    body: { error: expect.stringMatching(/port/) },
  });
  expect((await set({ quota: -1 })).status).toBe(400);
});
