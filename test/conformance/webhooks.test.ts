import { describe, expect, test } from 'vitest';
import { verifyWebhookSignature } from '../../src/gateway/index.js';
import { conformanceTarget, receiver, signatureOf } from './target.js';

const gateway = conformanceTarget();
const SECRET = 'whsec_conformance';
const anyText = expect.stringMatching(/./);

async function registered(callback_url: string, extra: object = {}) {
  return gateway.post('/v1/webhooks', { callback_url, secret: SECRET, ...extra });
}

describe('registrations', () => {
  test('201 `{webhook_id: "whk_…", callback_url, events, active}`; events default to task.settled', async () => {
    const callback_url = `https://me.example/${gateway.fresh()}`;
    const { status, body } = await registered(callback_url);
    expect(status).toBe(201);
    expect(body).toEqual({
      webhook_id: expect.stringMatching(/^whk_/),
      callback_url,
      events: ['task.settled'],
      active: true,
    });
  });
  test('events may be given', async () => {
    const { body } = await registered(`https://me.example/${gateway.fresh()}`, { events: ['task.settled'] });
    expect(body.events).toEqual(['task.settled']);
  });
  test('GET lists the same, no secrets', async () => {
    const { body } = await registered(`https://me.example/${gateway.fresh()}`);
    const list = await gateway.get('/v1/webhooks');
    expect(list.status).toBe(200);
    expect(list.body).toContainEqual(body);
    expect(JSON.stringify(list.body)).not.toContain(SECRET);
  });
  test('DELETE answers 2xx, and the webhook is gone', async () => {
    const { webhook_id } = (await registered(`https://me.example/${gateway.fresh()}`)).body;
    const { status } = await gateway.delete(`/v1/webhooks/${webhook_id}`);
    expect(Math.floor(status / 100)).toBe(2);
    const { body } = await gateway.get('/v1/webhooks');
    expect(body.map((one: { webhook_id: string }) => one.webhook_id)).not.toContain(webhook_id);
  });
  test('404 for one that is not there', async () => {
    expect((await gateway.delete('/v1/webhooks/whk_none')).status).toBe(404);
  });
  test.each([
    ['no URL', { secret: SECRET }],
    ['a URL that is none', { callback_url: 'here', secret: SECRET }],
    ['no secret', { callback_url: 'https://me.example/cb' }],
  ])('400 for %s', async (_what, body) => {
    expect(await gateway.post('/v1/webhooks', body)).toMatchObject({ status: 400, body: { error: anyText } });
  });
  test('a task’s `callback_url` must equal a registered webhook’s', async () => {
    const callback_url = `https://me.example/${gateway.fresh()}`;
    expect((await gateway.post('/v1/tasks', gateway.task({ callback_url }))).status).toBe(400);
    await registered(callback_url);
    expect((await gateway.post('/v1/tasks', gateway.task({ callback_url }))).status).toBe(202);
    const near = gateway.task({ callback_url: `${callback_url}/` });
    expect((await gateway.post('/v1/tasks', near)).status).toBe(400);
  });
});

describe('deliveries', () => {
  test('a POST signed with the secret, `X-ASG-Signature: sha256=<hex>`, with the documented body', async (context) => {
    gateway.needsLoopback(context);
    const { url, deliveries, arrived } = await receiver();
    await registered(url);
    const { task_id } = (await gateway.post('/v1/tasks', gateway.task({ callback_url: url }))).body;
    await arrived(1);
    const { headers, body } = deliveries[0] ?? { headers: {}, body: '' };
    const signature = headers['x-asg-signature'];
    expect(signature).toBe(signatureOf(body, SECRET));
    expect(verifyWebhookSignature(body, String(signature), SECRET)).toBe(true);
    const result = (await gateway.result(task_id, ({ status }) => status === 'settled')).body;
    expect(JSON.parse(body)).toMatchObject({
      event: 'task.settled',
      task_id,
      consensus_label: result.consensus_label,
      confidence: result.confidence,
      bsv_txid: result.bsv_txid ?? result.settlement.bsv_txid,
      settled_at: anyText,
      timestamp: expect.anything(),
    });
  });
  test('the `callback_url` of a batch applies to each of its tasks', async (context) => {
    gateway.needsLoopback(context);
    const { url, deliveries, arrived } = await receiver();
    await registered(url);
    await gateway.post('/v1/tasks/batch', { tasks: [gateway.task(), gateway.task()], callback_url: url });
    await arrived(2);
    expect(new Set(deliveries.map(({ body }) => JSON.parse(body).task_id)).size).toBe(2);
  });
  test('up to 3 attempts, then none', async (context) => {
    gateway.needsLoopback(context);
    await gateway.turn(context, { webhookWaitsMs: [20, 40] }, { webhookWaitsMs: [1_000, 4_000] });
    const failing = await receiver(500);
    await registered(failing.url);
    await gateway.post('/v1/tasks', gateway.task({ callback_url: failing.url }));
    await failing.arrived(3);
    // A later task's delivery has come: a fourth attempt would have been before it.
    const healthy = await receiver();
    await registered(healthy.url);
    await gateway.post('/v1/tasks', gateway.task({ callback_url: healthy.url }));
    await healthy.arrived(1);
    expect(failing.deliveries).toHaveLength(3);
    expect(new Set(failing.deliveries.map(({ body }) => JSON.parse(body).task_id)).size).toBe(1);
  });
});
