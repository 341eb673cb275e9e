import { expect, test } from 'vitest';
import { call, recorded, start, task } from './client.js';

test('a 500 does nothing', async () => {
  const sandbox = await start({ errorRate: 1 });
  expect((await sandbox.post('/v1/tasks', task())).status).toBe(500);
  expect(sandbox.stats()).toMatchObject({ tasks: 0, calls: { submit: { 500: 1 } } });
});

test('a connection is cut before the Gateway acts, or after', async () => {
  const sandbox = await start({ resetBefore: 1 });
  await expect(sandbox.post('/v1/tasks', task())).rejects.toThrow();
  expect(sandbox.stats().tasks).toBe(0);
  sandbox.set({ resetBefore: 0, resetAfter: 1 });
  await expect(sandbox.post('/v1/tasks', task())).rejects.toThrow();
  expect(sandbox.stats()).toMatchObject({ tasks: 1, calls: { submit: { reset: 2 } } });
});

test('latency passes before the answer', async () => {
  const { post } = await start({ latency: { minMs: 80, maxMs: 90 } });
  const started = performance.now();
  await post('/v1/tasks', task());
  expect(performance.now() - started).toBeGreaterThanOrEqual(75);
});

test('over the limit: 429 with the wait, for each key', async () => {
  const sandbox = await start({ rateLimit: 0.01 });
  expect((await sandbox.get('/v1/customers/me')).status).toBe(200);
  const refused = await sandbox.post('/v1/tasks', task());
  expect(refused.status).toBe(429);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(90);
  expect((await sandbox.get('/v1/customers/me', 'sk_sandbox_other')).status).toBe(200);
  expect(sandbox.stats()).toMatchObject({ tasks: 0, rate_limited: 1 });
});

test.each([
  ['none', (value: unknown) => value === undefined],
  ['date', (value: unknown) => Date.parse(String(value)) > Date.now()],
] as const)('Retry-After can be: %s', async (retryAfter, isRight) => {
  const { get } = await start({ rateLimit: 0.01, retryAfter });
  await get('/v1/customers/me');
  const { status, headers } = await get('/v1/customers/me');
  expect(status).toBe(429);
  expect(isRight(headers['retry-after'])).toBe(true);
});

test('its own record needs no key, and options change while it runs', async () => {
  const sandbox = await start();
  await sandbox.post('/v1/tasks', task(1, { idempotency_key: 'k' }));
  const [only] = await recorded(sandbox.url);
  expect(only).toMatchObject({ idempotency_key: 'k', data_url: task(1).data_url });
  expect((await call(sandbox.url, 'GET', '/__sandbox/health', undefined, null)).status).toBe(200);
  expect((await call(sandbox.url, 'GET', '/__sandbox/stats', undefined, null)).body.tasks).toBe(1);
  await call(sandbox.url, 'POST', '/__sandbox/set', { quota: 1 }, null);
  expect((await sandbox.post('/v1/tasks', task(2))).status).toBe(403);
});
