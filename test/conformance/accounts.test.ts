import { describe, expect, test } from 'vitest';
import { ASGGatewayClient } from '../../src/gateway/index.js';
import { conformanceTarget } from './target.js';

const gateway = conformanceTarget();
const anyText = expect.stringMatching(/./);

describe('customers', () => {
  test('POST without auth: 201 `{customer_id, api_key, tier, label_quota, message}`', async () => {
    const email = `${gateway.fresh()}@conformance.example`;
    const { status, body } = await gateway.post('/v1/customers', { name: 'n', email }, null);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      customer_id: anyText,
      api_key: expect.stringMatching(/^sk_(sandbox|live)_/),
      tier: anyText,
      label_quota: expect.any(Number),
      message: anyText,
    });
    expect((await gateway.get('/v1/customers/me', body.api_key)).body.customer_id).toBe(body.customer_id);
  });
  test('409 `email already registered`', async () => {
    const email = `${gateway.fresh()}@conformance.example`;
    await gateway.post('/v1/customers', { name: 'n', email }, null);
    const { status, body } = await gateway.post('/v1/customers', { name: 'other', email }, null);
    expect([status, body]).toEqual([409, { error: 'email already registered' }]);
  });
  test.each([
    ['no name', { email: 'a@b.example' }],
    ['no e-mail', { name: 'n' }],
    ['an e-mail that is none', { name: 'n', email: 'nobody' }],
  ])('400 for %s', async (_what, body) => {
    expect((await gateway.post('/v1/customers', body, null)).status).toBe(400);
  });
  test('GET /v1/customers/me: the documented fields, `created_at` in Unix seconds; the key is shown once', async () => {
    const key = await gateway.register();
    const { status, body } = await gateway.get('/v1/customers/me', key);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      customer_id: anyText,
      name: 'conformance',
      email: expect.stringContaining('@conformance.example'),
      tier: anyText,
      label_quota: expect.any(Number),
      api_key_hint: anyText,
    });
    expect(Math.abs(body.created_at - Date.now() / 1000)).toBeLessThan(3_600);
    expect(JSON.stringify(body)).not.toContain(key);
  });
});

describe('billing', () => {
  async function settledTask() {
    const { task_id } = (await gateway.post('/v1/tasks', gateway.task())).body;
    return (await gateway.result(task_id, ({ status }) => status === 'settled')).body;
  }
  const day = new Date().toISOString().slice(0, 10);

  test('usage: the documented fields, and sums that add up', async () => {
    await settledTask();
    const { status, body } = await gateway.get(`/v1/billing/usage?month=${day.slice(0, 7)}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      customer_id: anyText,
      month: day.slice(0, 7),
      tier: anyText,
      total_cost_usd_estimate: expect.any(Number),
    });
    expect(body.worker_payouts_sats + body.platform_fee_sats).toBe(body.total_cost_sats);
    const sum = (field: 'tasks' | 'cost_sats') =>
      body.daily_breakdown.reduce(
        (total: number, entry: Record<string, number>) => total + (entry[field] ?? 0),
        0,
      );
    expect([sum('tasks'), sum('cost_sats')]).toEqual([body.tasks_settled, body.total_cost_sats]);
    expect(body.daily_breakdown.at(-1).date).toMatch(/^\d{4}-\d\d-\d\d$/);
  });
  test('a settled task adds one, and its cost', async () => {
    const usage = async () => (await gateway.get(`/v1/billing/usage?month=${day.slice(0, 7)}`)).body;
    await settledTask();
    const before = await usage();
    const result = await settledTask();
    const after = await usage();
    expect(after.tasks_settled).toBe(before.tasks_settled + 1);
    const cost = result.cost_sats ?? result.settlement.total_cost_sats;
    expect(after.total_cost_sats).toBe(before.total_cost_sats + cost);
  });
  test('a month without tasks is empty', async () => {
    const { body } = await gateway.get('/v1/billing/usage?month=2001-01');
    expect(body).toMatchObject({
      month: '2001-01',
      tasks_settled: 0,
      total_cost_sats: 0,
      daily_breakdown: [],
    });
  });
  test('400 for a month that is none', async () => {
    expect((await gateway.get('/v1/billing/usage?month=2026-13')).status).toBe(400);
  });
  test('invoices: `{invoices: [{month, status, …}]}`', async () => {
    await settledTask();
    const { status, body } = await gateway.get('/v1/billing/invoices');
    expect(status).toBe(200);
    expect(body.invoices).toContainEqual(
      expect.objectContaining({ month: day.slice(0, 7), status: anyText }),
    );
  });
  test('the client reads all of it', async () => {
    const client = new ASGGatewayClient({ apiKey: gateway.key, baseUrl: gateway.url });
    const usage = await client.getUsage();
    const invoices = await client.getInvoices();
    const customer = await client.getCustomer();
    await client.close();
    expect(usage.month).toBe(day.slice(0, 7));
    expect(invoices.invoices.length).toBeGreaterThan(0);
    expect(customer.label_quota).toEqual(expect.any(Number));
  });
});
