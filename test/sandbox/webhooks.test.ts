import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { start, task, until } from './client.js';

interface Delivery {
  signature: unknown;
  body: string;
}

/** A receiver that answers with the given statuses, the last one from then on. */
async function receiver(...statuses: number[]) {
  const deliveries: Delivery[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    deliveries.push({ signature: request.headers['x-asg-signature'], body });
    response.writeHead(statuses[Math.min(deliveries.length, statuses.length) - 1] ?? 200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, deliveries };
}

test('webhooks are registered, listed without secrets, and deleted', async () => {
  const { post, get, delete: remove } = await start();
  const hook = { callback_url: 'https://example.org/hook', secret: 's3cret' };
  const { status, body } = await post('/v1/webhooks', hook);
  expect(status).toBe(201);
  expect(body).toEqual({
    webhook_id: expect.stringMatching(/^whk_/),
    callback_url: hook.callback_url,
    events: ['task.settled'],
    active: true,
  });
  expect((await get('/v1/webhooks')).body).toEqual([body]);
  expect((await get('/v1/webhooks', 'sk_sandbox_other')).body).toEqual([]);
  expect((await remove(`/v1/webhooks/${body.webhook_id}`)).status).toBe(200);
  expect((await get('/v1/webhooks')).body).toEqual([]);
  expect((await remove(`/v1/webhooks/${body.webhook_id}`)).status).toBe(404);
  expect((await post('/v1/webhooks', { callback_url: 'nowhere', secret: 's' })).status).toBe(400);
  expect((await post('/v1/webhooks', { callback_url: hook.callback_url })).status).toBe(400);
});

test('a settled task is told of, signed with the secret, with what its result says', async () => {
  const { url, deliveries } = await receiver(200);
  const { post, get } = await start();
  await post('/v1/webhooks', { callback_url: url, secret: 's3cret' });
  const { task_id } = (await post('/v1/tasks', task(1, { callback_url: url }))).body;
  await until(() => deliveries.length > 0, 'a delivery');
  const [{ body, signature } = { body: '', signature: null }] = deliveries;
  expect(signature).toBe(`sha256=${createHmac('sha256', 's3cret').update(body).digest('hex')}`);
  const result = (await get(`/v1/tasks/${task_id}/result`)).body;
  const { consensus_label, confidence, bsv_txid, settled_at } = result;
  expect(JSON.parse(body)).toEqual({
    event: 'task.settled',
    task_id,
    consensus_label,
    confidence,
    bsv_txid,
    settled_at,
    timestamp: expect.any(String),
  });
});

test('deliveries are lost, made twice, and made before the answer to the submission', async () => {
  const { url, deliveries } = await receiver(200);
  const { post, set } = await start({
    settle: { minMs: 0, maxMs: 0 },
    latencyAfter: { minMs: 2_000, maxMs: 2_000 },
    webhookDuplicate: 1,
  });
  await post('/v1/webhooks', { callback_url: url, secret: 's3cret' });
  const doubled = await post('/v1/tasks', task(1, { callback_url: url }));
  expect(deliveries.length).toBe(2);
  expect(deliveries.map(({ body }) => JSON.parse(body).task_id)).toEqual(Array(2).fill(doubled.body.task_id));

  set({ webhookDrop: 1 });
  await post('/v1/tasks', task(2, { callback_url: url }));
  set({ webhookDrop: 0, webhookDuplicate: 0 });
  const last = await post('/v1/tasks', task(3, { callback_url: url }));
  expect(deliveries.map(({ body }) => JSON.parse(body).task_id)).toEqual([
    ...Array(2).fill(doubled.body.task_id),
    last.body.task_id,
  ]);
});
