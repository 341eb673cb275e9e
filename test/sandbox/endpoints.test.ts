import { describe, expect, test } from 'vitest';
import { start, task } from './client.js';

const LONG = { settle: { minMs: 600_000, maxMs: 600_000 } };

describe('tasks', () => {
  test('a task is accepted, found and settled', async () => {
    const { post, get } = await start();
    const created = await post('/v1/tasks', task());
    expect(created).toMatchObject({ status: 202, body: { status: 'pending' } });
    const { task_id } = created.body;
    expect(task_id).toMatch(/^tsk_/);
    expect(new Date(created.body.created_at).toISOString()).toBe(created.body.created_at);
    expect(await get(`/v1/tasks/${task_id}`)).toMatchObject({
      status: 200,
      body: { task_id, status: 'settled', task_type: 'image_classification', data_url: task().data_url },
    });
    const { status, body } = await get(`/v1/tasks/${task_id}/result`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ task_id, status: 'settled', worker_count: 3 });
    expect(task().label_spec.options).toContain(body.consensus_label);
    expect(body.bsv_txid).toMatch(/^[0-9a-f]{64}$/);
    expect(body.cost_sats).toBe(325 * body.agreement_count);
    expect(body.settlement).toEqual({
      bsv_txid: body.bsv_txid,
      total_cost_sats: body.cost_sats,
      settled_at: body.settled_at,
    });
  });

  test('before it settles its result is in progress', async () => {
    const { post, get } = await start(LONG);
    const { task_id } = (await post('/v1/tasks', task())).body;
    expect(await get(`/v1/tasks/${task_id}/result`)).toMatchObject({
      status: 202,
      body: { status: 'in_progress' },
    });
  });

  test("unknown tasks, and another key's, are not found", async () => {
    const { post, get } = await start();
    const { task_id } = (await post('/v1/tasks', task())).body;
    const missing = { status: 404, body: { error: 'task not found' } };
    expect(await get('/v1/tasks/tsk_nothing')).toMatchObject(missing);
    expect(await get('/v1/tasks/tsk_nothing/result')).toMatchObject(missing);
    expect(await get(`/v1/tasks/${task_id}/result`, 'sk_live_other')).toMatchObject(missing);
  });

  test.each([
    ['an unknown type', { type: 'poetry' }, /type/],
    ['no URL', { data_url: 'cat.jpg' }, /data_url/],
    ['a URL of another scheme', { data_url: 'ftp://example.org/a' }, /data_url/],
    ['one option', { label_spec: { question: 'q', options: ['a'] } }, /options/],
    ['no question', { label_spec: { options: ['a', 'b'] } }, /question/],
    ['no label_spec', { label_spec: undefined }, /label_spec/],
    ['a threshold of 1', { consensus_threshold: 1 }, /threshold/],
    ['a threshold of 11', { consensus_threshold: 11 }, /threshold/],
    ['a callback that is not registered', { callback_url: 'https://example.org/hook' }, /callback_url/],
    ['a key that is no string', { idempotency_key: 7 }, /idempotency_key/],
  ])('%s is refused with a reason and not charged', async (_what, extra, reason) => {
    const sandbox = await start();
    const { status, body } = await sandbox.post('/v1/tasks', task(1, extra));
    expect(status).toBe(400);
    expect(body.error).toMatch(reason);
    expect(sandbox.stats().tasks).toBe(0);
  });

  test('a body that is not JSON is refused', async () => {
    const { post } = await start();
    expect((await post('/v1/tasks', '{"type":')).status).toBe(400);
  });
});

describe('idempotency and quota', () => {
  test('the same key is the same task, charged once, for each customer', async () => {
    const { post, get } = await start({ quota: 10 });
    const keyed = task(1, { idempotency_key: 'k' });
    const first = await post('/v1/tasks', keyed);
    const again = await post('/v1/tasks', keyed);
    expect(first.body.idempotent).toBeUndefined();
    expect(again).toMatchObject({ status: 200, body: { task_id: first.body.task_id, idempotent: true } });
    expect((await get('/v1/customers/me')).body.label_quota).toBe(9);
    expect((await post('/v1/tasks', keyed, 'sk_sandbox_other')).status).toBe(202);
  });

  test('at the end of the quota new tasks are refused, known ones are not', async () => {
    const sandbox = await start({ quota: 1 });
    const keyed = task(1, { idempotency_key: 'k' });
    await sandbox.post('/v1/tasks', keyed);
    expect(await sandbox.post('/v1/tasks', task(2))).toMatchObject({
      status: 403,
      body: { error: 'quota exhausted' },
    });
    expect((await sandbox.post('/v1/tasks', keyed)).status).toBe(200);
    sandbox.set({ quota: 2 });
    expect((await sandbox.post('/v1/tasks', task(2))).status).toBe(202);
  });

  test('a batch costs its tasks, and known ones nothing', async () => {
    const sandbox = await start({ quota: 3 });
    await sandbox.post('/v1/tasks', task(1, { idempotency_key: '1' }));
    const batch = (...keys: string[]) => ({ tasks: keys.map((key) => task(key, { idempotency_key: key })) });
    const { status, body } = await sandbox.post('/v1/tasks/batch', batch('1', '2'));
    expect(status).toBe(202);
    expect(body).toEqual({ batch_id: expect.stringMatching(/^bat_/), task_count: 2, status: 'accepted' });
    expect((await sandbox.post('/v1/tasks', task(2, { idempotency_key: '2' }))).status).toBe(200);
    expect((await sandbox.post('/v1/tasks/batch', batch('3', '4'))).status).toBe(403);
    expect(sandbox.stats().tasks).toBe(2);
  });

  test('a batch with one bad task, none, or too many is refused whole', async () => {
    const sandbox = await start();
    const bad = await sandbox.post('/v1/tasks/batch', { tasks: [task(1), task(2, { type: 'poetry' })] });
    expect(bad.status).toBe(400);
    expect(bad.body.error).toMatch(/tasks\[1\]/);
    expect((await sandbox.post('/v1/tasks/batch', { tasks: [] })).status).toBe(400);
    const tasks = Array.from({ length: 1_001 }, (_, n) => task(n));
    expect((await sandbox.post('/v1/tasks/batch', { tasks })).status).toBe(400);
    expect(sandbox.stats().tasks).toBe(0);
  });
});

describe('keys, methods and paths', () => {
  test.each([
    ['no key', null],
    ['a key of another form', 'pk_123'],
  ])('%s is refused', async (_what, key) => {
    const { get } = await start();
    expect(await get('/v1/customers/me', key)).toMatchObject({
      status: 401,
      body: { error: 'invalid API key' },
    });
  });

  test('wrong methods and unknown paths', async () => {
    const { get, post } = await start();
    expect((await get('/v1/tasks')).status).toBe(405);
    expect((await post('/v1/billing/usage', {})).status).toBe(405);
    expect((await get('/v1/jobs')).status).toBe(405);
    expect((await get('/v2/tasks')).status).toBe(404);
  });
});

describe('customers and billing', () => {
  test('a registered customer has a key of its own; its email is taken', async () => {
    const { post, get } = await start({ quota: 5 });
    const who = { name: 'Ada', email: 'ada@example.org' };
    const { status, body } = await post('/v1/customers', who, null);
    expect(status).toBe(201);
    expect(body).toMatchObject({ api_key: expect.stringMatching(/^sk_sandbox_/), label_quota: 5 });
    await post('/v1/tasks', task(), body.api_key);
    const me = (await get('/v1/customers/me', body.api_key)).body;
    expect(me).toMatchObject({ ...who, customer_id: body.customer_id, label_quota: 4 });
    expect(Number.isInteger(me.created_at)).toBe(true);
    expect(body.api_key.endsWith(me.api_key_hint.slice(-4))).toBe(true);
    expect(await post('/v1/customers', who, null)).toMatchObject({
      status: 409,
      body: { error: 'email already registered' },
    });
    expect((await post('/v1/customers', { name: 'Ada' }, null)).status).toBe(400);
  });

  test('billing adds up what settled', async () => {
    const { post, get } = await start();
    let sats = 0;
    for (let n = 0; n < 5; n += 1) {
      const { task_id } = (await post('/v1/tasks', task(n))).body;
      sats += (await get(`/v1/tasks/${task_id}/result`)).body.cost_sats;
    }
    await post('/v1/tasks', task(9), 'sk_sandbox_other');
    const month = new Date().toISOString().slice(0, 7);
    const { body } = await get(`/v1/billing/usage?month=${month}`);
    expect(body).toMatchObject({ month, tasks_settled: 5, total_cost_sats: sats });
    expect(body.worker_payouts_sats + body.platform_fee_sats).toBe(sats);
    expect(body.daily_breakdown.reduce((sum, day) => sum + day.cost_sats, 0)).toBe(sats);
    expect((await get('/v1/billing/usage?month=2001-01')).body.tasks_settled).toBe(0);
    expect((await get('/v1/billing/usage?month=May')).status).toBe(400);
    expect((await get('/v1/billing/invoices')).body.invoices).toMatchObject([{ month, status: 'open' }]);
  });
});
