import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { expect, test } from 'vitest';
import type { SandboxOptions } from '../../src/sandbox/index.js';
import { KEY, start, task } from './client.js';

/** Not by fetch, which sets Host and Origin itself. */
async function open(options: Partial<SandboxOptions>) {
  const gateway = await start(options);
  const call = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
    const sent = httpRequest({ host: '127.0.0.1', port: gateway.port, method, path, headers });
    sent.end(body && JSON.stringify(body));
    const [answer] = await once(sent, 'response');
    let text = '';
    for await (const chunk of answer) text += chunk;
    return { status: answer.statusCode as number, text };
  };
  return { gateway, call };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const AUTHORIZED = { ...JSON_TYPE, authorization: `Bearer ${KEY}` };

test('the control is off unless it is asked for; only its health is answered', async () => {
  const { call } = await open({ control: false });
  for (const [method, path] of [
    ['GET', 'tasks'],
    ['GET', 'stats'],
    ['POST', 'set'],
  ] as const) {
    const { status, text } = await call(
      method,
      `/__sandbox/${path}`,
      JSON_TYPE,
      method === 'POST' ? { quota: 0 } : undefined,
    );
    expect([status, text], path).toEqual([403, expect.stringContaining('--control')]);
  }
  expect(await call('GET', '/__sandbox/health', {})).toEqual({ status: 200, text: '{"ok":true}' });
});

test('the control takes JSON, by a name of its own, and from no page', async () => {
  const { gateway, call } = await open({ control: true });
  await gateway.post('/v1/tasks', task('private-url'));
  const evil = `evil.example:${gateway.port}`;
  for (const [headers, why] of [
    [{ host: evil }, 'not a name of this server'],
    [{ origin: 'https://evil.example' }, 'web page'],
    [{ origin: `http://localhost:${gateway.port + 1}` }, 'web page'],
    [{ 'sec-fetch-site': 'cross-site' }, 'web page'],
  ] as const)
    for (const path of ['tasks', 'stats', 'health']) {
      const { status, text } = await call('GET', `/__sandbox/${path}`, headers);
      expect([status, text], path).toEqual([403, expect.stringContaining(why)]);
    }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])
    expect((await call('POST', '/__sandbox/set', { 'content-type': type }, { quota: 0 })).status, type).toBe(
      403,
    );
  expect((await gateway.get('/v1/customers/me')).body.label_quota).toBeGreaterThan(0);
  expect(
    (
      await call(
        'POST',
        '/__sandbox/set',
        { 'content-type': 'application/json; charset=utf-8' },
        { quota: 1 },
      )
    ).status,
  ).toBe(200);
  expect((await call('GET', '/__sandbox/tasks', { host: 'localhost' })).text).toContain('private-url');
});

test('no page makes a task, a customer or a job; a Gateway of this machine answers to its names alone', async () => {
  const { gateway, call } = await open({});
  const customer = { name: 'n', email: 'a@page.example' };
  const pages: Record<string, string>[] = [
    { 'content-type': 'text/plain', origin: 'https://evil.example' },
    { ...AUTHORIZED, host: 'evil.example' },
  ];
  for (const headers of pages) {
    expect((await call('POST', '/v1/customers', headers, customer)).status).toBe(403);
    expect((await call('POST', '/v1/tasks', headers, task())).status).toBe(403);
  }
  expect(gateway.stats().tasks).toBe(0);
  expect((await call('POST', '/v1/tasks', { ...AUTHORIZED, host: 'localhost' }, task())).status).toBe(202);
});

test('one that listens to other machines is called by its own names, its control is not', async () => {
  const { call } = await open({ host: '0.0.0.0', control: true });
  const named = { ...AUTHORIZED, host: 'sandbox:8081' };
  expect((await call('POST', '/v1/tasks', named, task())).status).toBe(202);
  expect((await call('GET', '/__sandbox/tasks', named)).status).toBe(403);
});
