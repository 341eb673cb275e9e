import { describe, expect, test } from 'vitest';
import { ASGGatewayClient, ASGTimeoutError, parseRetryAfter } from '../../src/gateway/index.js';
import { conformanceTarget } from './target.js';

// The titles are the sentences of the documentation, in its order.
const gateway = conformanceTarget();
const TYPES = ['image_classification', 'text_classification', 'sentiment', 'moderation'];
const error = (text: unknown) => ({ error: text });
const anyText = expect.stringMatching(/./);

async function submitted(extra: object = {}) {
  const { status, body } = await gateway.post('/v1/tasks', gateway.task(extra));
  expect(status).toBe(202);
  return body.task_id as string;
}

describe('conventions', () => {
  test('auth is `Authorization: Bearer <key>`', async () => {
    expect((await gateway.get('/v1/customers/me')).status).toBe(200);
  });
  test.each([null, 'sk_sandbox', 'not-a-key', ''])('401 `invalid API key` for %j', async (key) => {
    const { status, body } = await gateway.get('/v1/customers/me', key);
    expect([status, body]).toEqual([401, error('invalid API key')]);
  });
  test('keys are `sk_sandbox_…` or `sk_live_…`', async () => {
    expect(await gateway.register()).toMatch(/^sk_(sandbox|live)_./);
  });
  test('errors are JSON `{"error": "<text>"}`', async () => {
    for (const answer of [
      await gateway.post('/v1/tasks', {}),
      await gateway.get('/v1/tasks/tsk_none'),
      await gateway.get('/v1/customers/me', 'nonsense'),
      await gateway.get('/v1/nothing'),
    ]) {
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      expect(answer.body).toEqual(error(anyText));
    }
  });
  test('400 for a body that is not JSON', async () => {
    expect(await gateway.post('/v1/tasks', '{broken')).toMatchObject({ status: 400, body: error(anyText) });
  });
  test('429 rate limited', async (context) => {
    await gateway.turn(
      context,
      { rateLimit: 1, rateLimitBurst: 1 },
      { rateLimit: null, rateLimitBurst: null },
    );
    const answers = await Promise.all([1, 2, 3].map(() => gateway.get('/v1/customers/me')));
    expect(answers.find(({ status }) => status === 429)?.body).toEqual(error(anyText));
  });
  test.for([
    ['none', undefined],
    ['seconds', 1_000],
    ['date', 2_000],
  ] as const)('Retry-After (%s) is honoured where it is there', async ([retryAfter, most], context) => {
    await gateway.turn(
      context,
      { rateLimit: 1, rateLimitBurst: 1, retryAfter },
      { rateLimit: null, rateLimitBurst: null, retryAfter: 'seconds' },
    );
    const answers = await Promise.all([1, 2, 3].map(() => gateway.get('/v1/customers/me')));
    const limited = answers.find(({ status }) => status === 429);
    const wait = parseRetryAfter(limited?.headers['retry-after']);
    if (most === undefined) expect(wait).toBeUndefined();
    else expect(wait).toBeLessThanOrEqual(most + 1_000);
  });
  test('5xx server fault', async (context) => {
    await gateway.turn(context, { errorRate: 1 }, { errorRate: 0 });
    const { status, body } = await gateway.post('/v1/tasks', gateway.task());
    expect(status).toBeGreaterThanOrEqual(500);
    expect(body).toEqual(error(anyText));
  });
});

describe('POST /v1/tasks', () => {
  test('202 `{task_id: "tsk_…", status: "pending", created_at}`', async () => {
    const { status, body } = await gateway.post('/v1/tasks', gateway.task());
    expect(status).toBe(202);
    expect(body).toMatchObject({ task_id: expect.stringMatching(/^tsk_/), status: 'pending' });
    expect(Number.isNaN(Date.parse(body.created_at))).toBe(false);
  });
  test.each(TYPES)('type %s', async (type) => {
    expect((await gateway.post('/v1/tasks', gateway.task({ type }))).status).toBe(202);
  });
  test.each([
    ['no type', { type: undefined }],
    ['no data_url', { data_url: undefined }],
    ['a data_url that is no URL', { data_url: 'pictures/1.jpg' }],
    ['a data_url that is not HTTPS', { data_url: 'ftp://images.example.org/1.jpg' }],
    ['no label_spec', { label_spec: undefined }],
    ['no question', { label_spec: { options: ['a', 'b'] } }],
    ['no options', { label_spec: { question: 'Which?' } }],
    ['one option', { label_spec: { question: 'Which?', options: ['a'] } }],
    ['a threshold of 1', { consensus_threshold: 1 }],
    ['a threshold of 11', { consensus_threshold: 11 }],
    ['a threshold that is no integer', { consensus_threshold: 2.5 }],
  ])('400 for %s', async (_what, extra) => {
    expect(await gateway.post('/v1/tasks', gateway.task(extra))).toMatchObject({
      status: 400,
      body: error(anyText),
    });
  });
  test.each([2, 3, 10])('consensus_threshold %d (2–10)', async (consensus_threshold) => {
    expect((await gateway.post('/v1/tasks', gateway.task({ consensus_threshold }))).status).toBe(202);
  });
  test('the same `idempotency_key` again: 200, the existing task, with `"idempotent": true`', async () => {
    const task = gateway.task({ idempotency_key: gateway.fresh() });
    const first = await gateway.post('/v1/tasks', task);
    const second = await gateway.post('/v1/tasks', task);
    expect(first.body.idempotent).not.toBe(true);
    expect(second).toMatchObject({ status: 200, body: { task_id: first.body.task_id, idempotent: true } });
  });
  test('it is not charged again; each accepted task takes 1 from the label quota', async () => {
    const before = await gateway.quota();
    const task = gateway.task({ idempotency_key: gateway.fresh() });
    await gateway.post('/v1/tasks', task);
    await gateway.post('/v1/tasks', task);
    await gateway.post('/v1/tasks', task);
    expect(await gateway.quota()).toBe(before - 1);
  });
  test('a refused task is not charged', async () => {
    const before = await gateway.quota();
    await gateway.post('/v1/tasks', gateway.task({ consensus_threshold: 1 }));
    expect(await gateway.quota()).toBe(before);
  });
  test('one key sent many times at once is one task', async () => {
    const task = gateway.task({ idempotency_key: gateway.fresh() });
    const answers = await Promise.all(Array.from({ length: 10 }, () => gateway.post('/v1/tasks', task)));
    expect(new Set(answers.map(({ body }) => body.task_id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
  });
  test('at 0 the answer is 403 `quota exhausted`', async (context) => {
    await gateway.turn(context, { quota: 0 }, { quota: null });
    const { status, body } = await gateway.post('/v1/tasks', gateway.task());
    expect([status, body]).toEqual([403, error('quota exhausted')]);
  });
  test('at 0 a known key is still answered with its task', async (context) => {
    const task = gateway.task({ idempotency_key: gateway.fresh() });
    await gateway.post('/v1/tasks', task);
    await gateway.turn(context, { quota: 0 }, { quota: null });
    expect((await gateway.post('/v1/tasks', task)).status).toBe(200);
  });
});

describe('POST /v1/tasks/batch', () => {
  test('202 `{batch_id: "bat_…", task_count, status: "accepted"}`; quota falls by the number of tasks', async () => {
    const before = await gateway.quota();
    const { status, body } = await gateway.post('/v1/tasks/batch', {
      tasks: [gateway.task(), gateway.task()],
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      batch_id: expect.stringMatching(/^bat_/),
      task_count: 2,
      status: 'accepted',
    });
    expect(await gateway.quota()).toBe(before - 2);
  });
  test('the id of a task is learned by submitting it again alone with its key (200, not charged)', async () => {
    const task = gateway.task({ idempotency_key: gateway.fresh() });
    await gateway.post('/v1/tasks/batch', { tasks: [task] });
    const before = await gateway.quota();
    const alone = await gateway.post('/v1/tasks', task);
    expect(alone).toMatchObject({
      status: 200,
      body: { idempotent: true, task_id: expect.stringMatching(/^tsk_/) },
    });
    expect(await gateway.quota()).toBe(before);
  });
  test('at most 1,000 tasks: 400 for 1,001', async () => {
    const tasks = Array.from({ length: 1_001 }, () => gateway.task());
    expect((await gateway.post('/v1/tasks/batch', { tasks })).status).toBe(400);
  });
  test('1,000 tasks are taken', async (context) => {
    await gateway.turn(context, {}, {});
    const tasks = Array.from({ length: 1_000 }, () => gateway.task());
    expect((await gateway.post('/v1/tasks/batch', { tasks })).body.task_count).toBe(1_000);
  });
  test.each([
    ['no tasks', {}],
    ['tasks that are no list', { tasks: 'all' }],
    ['a task that is none', { tasks: [{}] }],
  ])('400 for %s', async (_what, body) => {
    expect(await gateway.post('/v1/tasks/batch', body)).toMatchObject({ status: 400, body: error(anyText) });
  });
  test('`callback_url` applies to each task: 400 when it is not a registered webhook’s', async () => {
    const body = { tasks: [gateway.task()], callback_url: `https://me.example/${gateway.fresh()}` };
    expect((await gateway.post('/v1/tasks/batch', body)).status).toBe(400);
  });
  test('403 when the quota does not hold the batch', async (context) => {
    await gateway.turn(context, { quota: 1 }, { quota: null });
    const answer = await gateway.post('/v1/tasks/batch', { tasks: [gateway.task(), gateway.task()] });
    expect(answer).toMatchObject({ status: 403, body: error('quota exhausted') });
  });
});

describe('GET /v1/tasks/{id} and …/result', () => {
  test('200 `{task_id, status, task_type, data_url, created_at}`', async () => {
    const task = gateway.task({ type: 'sentiment' });
    const { task_id, created_at } = (await gateway.post('/v1/tasks', task)).body;
    const { status, body } = await gateway.get(`/v1/tasks/${task_id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_id, task_type: 'sentiment', data_url: task.data_url, created_at });
    expect(['pending', 'in_progress', 'verified', 'settled']).toContain(body.status);
  });
  test('404 `{"error": "task not found"}`', async () => {
    for (const path of ['/v1/tasks/tsk_none', '/v1/tasks/tsk_none/result']) {
      const { status, body } = await gateway.get(path);
      expect([status, body]).toEqual([404, error('task not found')]);
    }
  });
  test('another key does not see the task', async () => {
    const task_id = await submitted();
    const other = await gateway.register();
    expect((await gateway.get(`/v1/tasks/${task_id}`, other)).status).toBe(404);
    expect((await gateway.get(`/v1/tasks/${task_id}/result`, other)).status).toBe(404);
  });
  test('202 `{status: "in_progress", message}` while it is being labeled', async () => {
    const { status, body } = await gateway.get(`/v1/tasks/${await submitted()}/result`);
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: 'in_progress', message: anyText });
  });
  test('pending → in_progress → verified → settled, never back', async () => {
    const task_id = await submitted();
    const order = ['pending', 'in_progress', 'verified', 'settled'];
    const seen: number[] = [];
    await gateway.result(task_id, ({ status }) => {
      seen.push(order.indexOf(status));
      return status === 'settled';
    });
    expect(seen).not.toContain(-1);
    expect(seen).toEqual([...seen].sort());
  });
  test('200 with the label, the counts and, when settled, the payment', async () => {
    const options = ['cat', 'dog', 'bird'];
    const { body } = await gateway.result(await submitted(), ({ status }) => status === 'settled');
    expect(options).toContain(body.consensus_label);
    expect(body.confidence).toBeGreaterThan(0);
    expect(body.confidence).toBeLessThanOrEqual(1);
    expect(body.agreement_count).toBeLessThanOrEqual(body.worker_count);
    const paid = { ...body.settlement, ...body };
    expect(paid.bsv_txid).toMatch(/./);
    expect(Number.isNaN(Date.parse(paid.settled_at))).toBe(false);
  });
  test.for(['flat', 'nested', 'both'] as const)(
    'the payment %s: the client gives one shape',
    async (shape, context) => {
      const task_id = await submitted();
      await gateway.result(task_id, ({ status }) => status === 'settled');
      await gateway.turn(context, { settlementShape: shape }, { settlementShape: 'both' });
      const client = new ASGGatewayClient({ apiKey: gateway.key, baseUrl: gateway.url });
      const result = await client.pollResult(task_id).finally(() => client.close());
      const { bsv_txid, cost_sats, settled_at } = result;
      expect([bsv_txid, cost_sats, settled_at]).not.toContain(null);
      expect(result.settlement).toEqual({ bsv_txid, total_cost_sats: cost_sats, settled_at });
    },
  );
  test('a task whose labelers keep disagreeing stays in_progress; `poll_result` raises on timeout', async (context) => {
    await gateway.turn(context, { disagreeRate: 1 }, { disagreeRate: 0 });
    const client = new ASGGatewayClient({ apiKey: gateway.key, baseUrl: gateway.url });
    const waiting = client.pollResult(await submitted(), { timeout: 600, interval: 50 });
    await expect(waiting).rejects.toBeInstanceOf(ASGTimeoutError);
    await client.close();
  });
  test('a task costs the payout (325 sats) × agreeing workers', async () => {
    const { body } = await gateway.result(await submitted(), ({ status }) => status === 'settled');
    expect(body.cost_sats ?? body.settlement.total_cost_sats).toBe(325 * body.agreement_count);
  });
});
