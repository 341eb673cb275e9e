import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ASGAuthError,
  ASGGatewayClient,
  ASGGatewayHTTPError,
  ASGNetworkError,
  ASGQuotaError,
  ASGRateLimitError,
  ASGResponseError,
  ASGTimeoutError,
  type ClientOptions,
  type GatewayCall,
  parseRetryAfter,
  verifyWebhookSignature,
} from '../../src/gateway/index.js';

const KEY = 'sk_sandbox_secret_value';
const SPEC = { question: 'Which?', options: ['a', 'b'] };
const TASK = { task_type: 'sentiment', data_url: 'https://x.example/1', label_spec: SPEC };

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

type Reply = (response: ServerResponse, seen: Seen, n: number) => void;

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Reply =>
  (response) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(body));

async function gateway(reply: Reply, options: Partial<ClientOptions> & { path?: string } = {}) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const each = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: text ? JSON.parse(text) : {},
    };
    seen.push(each);
    reply(response, each, seen.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { path = '', ...rest } = options;
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const client = new ASGGatewayClient({ apiKey: KEY, baseUrl, retry: { baseMs: 1 }, ...rest });
  onTestFinished(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, seen, server };
}

const created = { task_id: 'tsk_1', status: 'pending', created_at: '2026-01-01T00:00:00Z' };

describe('requests', () => {
  test('submitTask sends the documented body with key, user agent and a generated idempotency key', async () => {
    const { client, seen } = await gateway(json(202, created));
    expect(await client.submitTask(TASK)).toMatchObject(created);
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/v1/tasks',
      body: { type: 'sentiment', data_url: TASK.data_url, label_spec: SPEC },
    });
    expect(seen[0]?.body).not.toHaveProperty('task_type');
    expect(seen[0]?.body.idempotency_key).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen[0]?.headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      'user-agent': expect.stringMatching(/^asg-ingest\/\d/),
    });
  });

  test.each(['/base', '/base/', '/a/b//'])('a base URL with the path %s works', async (path) => {
    const { client, seen } = await gateway(json(200, { ...created }), { path });
    await client.getTask('tsk_1');
    expect(seen[0]?.url).toBe(`${path.replace(/\/+$/, '')}/v1/tasks/tsk_1`);
  });

  test('every other method: verb, path and body', async () => {
    const { client, seen } = await gateway((response, { method, url }) =>
      json(url.startsWith('/v1/webhooks') && method === 'GET' ? 200 : 201, answerTo(method, url))(
        response,
        seen[0] as Seen,
        1,
      ),
    );
    await client.submitBatch({
      tasks: [TASK, { ...TASK, idempotency_key: 'mine' }],
      callback_url: 'https://me.example/cb',
    });
    await client.registerWebhook({ callback_url: 'https://me.example/cb', secret: 's' });
    expect(await client.listWebhooks()).toHaveLength(1);
    await client.deleteWebhook('whk_1');
    await client.createJob({ manifest_url: 's3://b/k', label_spec: SPEC });
    await client.getJob('job_1');
    await client.registerCustomer({ name: 'n', email: 'e@example.org' });
    await client.getCustomer();
    await client.getUsage({ month: '2026-01' });
    await client.getInvoices();
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /v1/tasks/batch',
      'POST /v1/webhooks',
      'GET /v1/webhooks',
      'DELETE /v1/webhooks/whk_1',
      'POST /v1/jobs',
      'GET /v1/jobs/job_1',
      'POST /v1/customers',
      'GET /v1/customers/me',
      'GET /v1/billing/usage?month=2026-01',
      'GET /v1/billing/invoices',
    ]);
    const tasks = seen[0]?.body.tasks as Record<string, unknown>[];
    expect(tasks.map((task) => task.type)).toEqual(['sentiment', 'sentiment']);
    expect(tasks[1]?.idempotency_key).toBe('mine');
  });
});

function answerTo(method: string, url: string): unknown {
  const webhook = {
    webhook_id: 'whk_1',
    callback_url: 'https://me.example/cb',
    events: ['task.settled'],
    active: true,
  };
  if (url.startsWith('/v1/tasks/batch')) return { batch_id: 'bat_1', task_count: 2, status: 'accepted' };
  if (url.startsWith('/v1/webhooks')) return method === 'GET' ? [webhook] : webhook;
  if (url.startsWith('/v1/jobs')) return { job_id: 'job_1', status: 'queued', more: 1 };
  if (url === '/v1/customers')
    return { customer_id: 'c', api_key: 'sk_sandbox_new', tier: 'free', label_quota: 1, message: 'm' };
  if (url.startsWith('/v1/customers')) return { customer_id: 'c', label_quota: 1 };
  if (url.startsWith('/v1/billing/usage'))
    return { month: '2026-01', tasks_settled: 1, total_cost_sats: 650, daily_breakdown: [] };
  return { invoices: [] };
}

describe('results', () => {
  const flat = { bsv_txid: 'ab', settled_at: 's', cost_sats: 650 };
  const nested = { settlement: { bsv_txid: 'ab', settled_at: 's', total_cost_sats: 650 } };
  test.each([
    ['flat', flat],
    ['nested', nested],
    ['both', { ...flat, ...nested }],
  ])('a %s settlement fills both shapes', async (_name, part) => {
    const { client } = await gateway(json(200, { task_id: 't', status: 'settled', unknown: 1, ...part }));
    expect(await client.getResult('t')).toMatchObject({ ...flat, ...nested, unknown: 1 });
  });

  test('202 is in_progress, and pollResult waits it out or times out', async () => {
    const { client } = await gateway((response, seen, n) =>
      n < 4
        ? json(202, { status: 'in_progress', message: 'wait' })(response, seen, n)
        : json(200, { task_id: 't', status: 'settled' })(response, seen, n),
    );
    expect((await client.getResult('t')).status).toBe('in_progress');
    expect((await client.pollResult('t', { interval: 1 })).status).toBe('settled');
    const never = await gateway(json(202, { status: 'in_progress' }));
    await expect(never.client.pollResult('t', { interval: 5, timeout: 20 })).rejects.toBeInstanceOf(
      ASGTimeoutError,
    );
  });
});

describe('errors', () => {
  test.each([
    [400, ASGGatewayHTTPError],
    [401, ASGAuthError],
    [403, ASGQuotaError],
    [404, ASGGatewayHTTPError],
  ])('%i is told apart and never retried', async (status, type) => {
    const { client, seen } = await gateway(json(status, { error: 'why' }));
    const error = await client.getTask('t').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ statusCode: status, body: { error: 'why' }, message: `${status}: why` });
    expect(seen).toHaveLength(1);
  });

  test('429 is retried no sooner than Retry-After says, 5xx and resets with backoff, one key throughout', async () => {
    const times: number[] = [];
    const { client, seen } = await gateway((response, each, n) => {
      times.push(performance.now());
      if (n === 1) return json(429, {}, { 'retry-after': '0.2' })(response, each, n);
      if (n === 2) return json(503, {})(response, each, n);
      if (n === 3) return void response.destroy();
      return json(202, created)(response, each, n);
    });
    await client.submitTask(TASK);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(195);
    expect(new Set(seen.map(({ body }) => body.idempotency_key)).size).toBe(1);
    expect(seen).toHaveLength(4);
  });

  test('retry: false makes each call once, and says how long to wait', async () => {
    const { client, seen } = await gateway(json(429, { error: 'slow' }, { 'retry-after': '2' }), {
      retry: false,
    });
    const error = await client.getTask('t').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ASGRateLimitError);
    expect(error).toMatchObject({ retryAfter: 2000 });
    expect(seen).toHaveLength(1);
  });

  test('timeout, abort and refusal', async () => {
    const { client, server } = await gateway(() => undefined, { retry: false });
    await expect(client.getTask('t', { timeout: 20 })).rejects.toBeInstanceOf(ASGTimeoutError);
    const stop = new AbortController();
    const call = client.getTask('t', { signal: stop.signal });
    stop.abort(new Error('mine'));
    await expect(call).rejects.toThrow('mine');
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    await expect(client.getTask('t')).rejects.toBeInstanceOf(ASGNetworkError);
  });

  test.each([
    ['HTML', 'text/html', '<html>'],
    ['broken JSON', 'application/json', '{"task'],
    ['another shape', 'application/json', '{"hello":1}'],
  ])('%s is an ASGResponseError', async (_name, type, body) => {
    const { client } = await gateway(
      (response) => void response.writeHead(200, { 'content-type': type }).end(body),
    );
    await expect(client.getTask('t')).rejects.toMatchObject({
      name: 'ASGResponseError',
      statusCode: 200,
      contentType: type,
    });
    await expect(client.getTask('t')).rejects.toBeInstanceOf(ASGResponseError);
  });

  test('the key is in no error and in no printed client', async () => {
    const { client } = await gateway(json(401, { error: 'invalid API key' }));
    const error = await client.getTask('t').catch((e: unknown) => e);
    expect(inspect([client, error], { depth: 12, showHidden: true })).not.toContain(KEY);
    expect(JSON.stringify([client, error])).not.toContain(KEY);
  });

  test('a key that the server repeats is cut out of the error', async () => {
    const { client } = await gateway(json(401, { error: `invalid API key ${KEY}` }));
    const error = await client.getTask('t').catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'key_refused', message: '401: invalid API key [redacted]' });
    expect(inspect(error, { depth: 12, showHidden: true })).not.toContain(KEY);
  });

  test('a key that no header can hold is refused without being repeated', () => {
    const make = () => new ASGGatewayClient({ apiKey: `${KEY}\n` });
    expect(make).toThrow(/apiKey/);
    expect(make).not.toThrow(KEY);
  });

  test.each([`http://u:${KEY}@x`, 'http://x/?a=1', KEY])(
    'the base URL %s is refused unrepeated',
    (baseUrl) => {
      const make = () => new ASGGatewayClient({ apiKey: KEY, baseUrl });
      expect(make).toThrow(/baseUrl/);
      expect(make).not.toThrow(KEY);
    },
  );

  test('what cannot be sent rejects, and nothing is sent', async () => {
    const { client, seen } = await gateway(json(200, created));
    for (const id of ['', '.', '..'])
      await expect(client.getTask(id)).rejects.toMatchObject({ code: 'invalid_request' });
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const label_spec = { ...SPEC, loop };
    await expect(client.submitTask({ ...TASK, label_spec })).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await expect(client.getTask('t', { timeout: 0 })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(seen).toHaveLength(0);
  });

  test('a base URL that is none is refused at once', () => {
    expect(() => new ASGGatewayClient({ baseUrl: 'ftp://x' })).toThrow(/baseUrl/);
  });
});

describe('repeating', () => {
  test.each([
    [500, 1],
    [503, 4],
    [429, 4],
  ])('createJob has no key, so %i makes %i attempts', async (status, attempts) => {
    const { client, seen } = await gateway(json(status, {}));
    const call = client.createJob({ manifest_url: 's3://b/k', label_spec: SPEC });
    await expect(call).rejects.toMatchObject({ statusCode: status });
    expect(seen).toHaveLength(attempts);
  });

  test.each<[string, (client: ASGGatewayClient) => Promise<unknown>]>([
    ['createJob', (client) => client.createJob({ manifest_url: 's3://b/k', label_spec: SPEC })],
    ['registerCustomer', (client) => client.registerCustomer({ name: 'n', email: 'e@example.org' })],
  ])('%s is not repeated after a lost answer', async (_name, call) => {
    const { client, seen } = await gateway((response) => void response.destroy());
    await expect(call(client)).rejects.toBeInstanceOf(ASGNetworkError);
    expect(seen).toHaveLength(1);
  });

  test('an empty idempotency key counts as none', async () => {
    const { client, seen } = await gateway(json(202, created));
    await client.submitTask({ ...TASK, idempotency_key: '' });
    expect(seen[0]?.body.idempotency_key).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('an abort ends the wait between attempts, with its own reason', async () => {
    const stop = new AbortController();
    const reason = new Error('mine');
    const { client } = await gateway(json(429, {}, { 'retry-after': '99999999999' }), {
      onCall: () => setImmediate(() => stop.abort(reason)),
    });
    await expect(client.getTask('t', { signal: stop.signal })).rejects.toBe(reason);
  });

  test('close ends waits and calls, is idempotent, and refuses later calls', async () => {
    const { client } = await gateway((response, seen, n) =>
      n === 1 ? json(429, {}, { 'retry-after': '600' })(response, seen, n) : undefined,
    );
    const waiting = client.getTask('a');
    const calls = [waiting, client.getTask('b')].map((call) => call.catch((e: unknown) => e));
    await client.close();
    await client.close();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'closed' });
    await expect(client.getTask('c')).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('pollResult', () => {
  const verified = { task_id: 't', status: 'verified' };

  test('the first result counts; until settled, a verified one does not', async () => {
    const { client, seen } = await gateway((response, each, n) =>
      json(200, n < 3 ? verified : { ...verified, status: 'settled' })(response, each, n),
    );
    expect((await client.pollResult('t')).status).toBe('verified');
    expect((await client.pollResult('t', { interval: 1, until: 'settled' })).status).toBe('settled');
    expect(seen).toHaveLength(3);
  });

  test('its time is the time in all, whatever Retry-After asks', async () => {
    const { client } = await gateway(json(429, {}, { 'retry-after': '600' }));
    await expect(client.pollResult('t', { timeout: 30 })).rejects.toMatchObject({ code: 'timeout' });
  });

  test('an abort rejects with its own reason while it waits', async () => {
    const { client } = await gateway(json(202, {}));
    const stop = new AbortController();
    const poll = client.pollResult('t', {
      signal: stop.signal,
      onCall: () => setImmediate(() => stop.abort('why')),
    });
    await expect(poll).rejects.toBe('why');
  });
});

test('an observer that throws fails no call', async () => {
  const warned = once(process, 'warning');
  const { client } = await gateway(json(202, created), {
    onCall: () => {
      throw new Error('mine');
    },
  });
  expect(await client.submitTask(TASK)).toMatchObject(created);
  expect((await warned)[0]).toMatchObject({ code: 'ASG_ON_CALL' });
});

test('registering a customer sends no key', async () => {
  const { client, seen } = await gateway(json(201, answerTo('POST', '/v1/customers')));
  await client.registerCustomer({ name: 'n', email: 'e@example.org' });
  expect(seen[0]?.headers).not.toHaveProperty('authorization');
});

test('many calls share one signal without a leak warning', async () => {
  const { client } = await gateway(json(200, created));
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 40 }, () => client.getTask('t', { signal })));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('observers are told of every attempt before the call ends', async () => {
  const calls: GatewayCall[] = [];
  const { client } = await gateway(
    (response, seen, n) =>
      json(n === 1 ? 500 : 200, created, { 'x-ratelimit-limit': '5' })(response, seen, n),
    { onCall: (call) => calls.push(call) },
  );
  await client.getTask('t', { onCall: (call) => calls.push(call) });
  expect(calls.map(({ operation, status }) => `${operation} ${status}`)).toEqual([
    'task 500',
    'task 500',
    'task 200',
    'task 200',
  ]);
  expect(calls[0]?.headers['x-ratelimit-limit']).toBe('5');
});

test('Retry-After: seconds, a date, and nonsense', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(parseRetryAfter('3', now)).toBe(3000);
  expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:10 GMT', now)).toBe(10_000);
  expect(parseRetryAfter('Thu, 01 Jan 2020 00:00:10 GMT', now)).toBe(0);
  for (const bad of ['', 'soon', 'soon 1', '-1', '0x10', '1e3', undefined])
    expect(parseRetryAfter(bad, now)).toBeUndefined();
});

test('webhook signatures', () => {
  const body = Buffer.from('{"event":"task.settled"}');
  const good = `sha256=${createHmac('sha256', 's').update(body).digest('hex')}`;
  expect(verifyWebhookSignature(body, good, 's')).toBe(true);
  expect(verifyWebhookSignature(body.toString(), good, 's')).toBe(true);
  for (const bad of [
    undefined,
    '',
    'sha256=',
    'sha256=zz',
    good.slice(0, -1),
    good.replace('sha256', 'sha1'),
  ])
    expect(verifyWebhookSignature(body, bad, 's')).toBe(false);
  expect(verifyWebhookSignature(body, good, 'other')).toBe(false);
  // Whoever has no secret accepts nothing: anyone can sign with an empty one.
  const unkeyed = `sha256=${createHmac('sha256', '').update(body).digest('hex')}`;
  expect(verifyWebhookSignature(body, unkeyed, '')).toBe(false);
  expect(verifyWebhookSignature({ parsed: 1 } as unknown as string, good, 's')).toBe(false);
});
