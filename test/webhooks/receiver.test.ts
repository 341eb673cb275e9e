import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { findRedisServer } from '../../src/redis/binary.js';
import { connectRedis } from '../../src/redis/connection.js';
import { openHttpServer } from '../../src/web/server.js';
import { createDeliverer } from '../../src/webhooks/deliver.js';
import { receiver } from '../../src/webhooks/receiver.js';
import { pipelineTo, sandbox } from '../pipeline/harness.js';
import { deliveryOf, outcomes, post, SECRET, sign, takeWebhooks } from './harness.js';

const minutesAgo = (n: number) => new Date(Date.now() - n * 60_000).toISOString();
const BODY = deliveryOf('tsk_unknown');

async function open() {
  const gateway = await sandbox();
  const pipeline = await pipelineTo(gateway.url);
  const logged: string[] = [];
  pipeline.log = pino({ level: 'trace' }, { write: (text: string) => void logged.push(text) });
  const { url } = await takeWebhooks(pipeline);
  return { pipeline, url, logged };
}

test('a task that no run knows is taken, and taken again', async () => {
  const { url, pipeline } = await open();
  expect(await post(url, BODY)).toEqual({ status: 204, text: '' });
  expect(await post(url, BODY)).toEqual({ status: 204, text: '' });
  expect(await post(url, deliveryOf('tsk_2', { timestamp: Date.now() / 1000 }))).toMatchObject({
    status: 204,
  });
  expect(await post(url, deliveryOf('tsk_3', { event: 'task.created' }))).toMatchObject({ status: 204 });
  expect(await outcomes(pipeline)).toEqual({ unknown_task: 2, duplicate: 1, ignored: 1 });
});

test('what is not signed with the secret is refused, and says nothing', async () => {
  const { url, pipeline, logged } = await open();
  const signatures = {
    'another secret': sign(BODY, 'another'),
    'another body': sign(`${BODY} `),
    'no scheme': sign(BODY).slice('sha256='.length),
    'another scheme': sign(BODY).replace('sha256', 'sha1'),
    'too short': sign(BODY).slice(0, -2),
    'twice over': `${sign(BODY)},${sign(BODY)}`,
    nothing: '',
  };
  for (const signature of Object.values(signatures))
    expect(await post(url, BODY, { 'x-asg-signature': signature })).toEqual({
      status: 401,
      text: '{"error":"bad signature"}',
    });
  const unsigned = await fetch(url, { method: 'POST', body: BODY });
  expect(unsigned.status).toBe(401);
  // Only a sender who can sign learns whether a body is invalid or forged.
  expect((await post(url, 'junk', { 'x-asg-signature': 'sha256=00' })).status).toBe(401);
  expect(await outcomes(pipeline)).toEqual({ bad_signature: Object.keys(signatures).length + 2 });
  const warnings = logged.filter((text) => text.includes('ASG_WEBHOOK_SECRET'));
  expect(warnings).toHaveLength(1);
  expect(logged.join('')).not.toContain(SECRET);
});

test.each([
  ['no JSON', 'junk'],
  ['nothing', ''],
  ['a list', '[]'],
  ['no task', JSON.stringify({ event: 'task.settled', timestamp: minutesAgo(0) })],
  ['a task that is no text', deliveryOf('t', { task_id: { $ne: 1 } })],
  ['a task id without end', deliveryOf('t'.repeat(300))],
  ['no timestamp', deliveryOf('t', { timestamp: undefined })],
  ['a timestamp that is no time', deliveryOf('t', { timestamp: 'soon' })],
  ['a replay of ten minutes ago', deliveryOf('t', { timestamp: minutesAgo(10) })],
  ['a time to come', deliveryOf('t', { timestamp: minutesAgo(-10) })],
])('signed, but no delivery: %s', async (_what, body) => {
  const { url, pipeline } = await open();
  const { status, text } = await post(url, body);
  expect(status).toBe(400);
  expect(text).toMatch(/^\{"error":"[^"]+"\}$/);
  expect(text).not.toMatch(/ at |node_modules|\.[jt]s/);
  expect(await outcomes(pipeline)).toEqual({ invalid: 1 });
  expect(await pipeline.redis.keys(`${pipeline.prefix}:delivery:*`)).toEqual([]);
});

test('too large a body, another path, another method', async () => {
  const { url } = await open();
  const large = deliveryOf('t', { more: 'x'.repeat(100_000) });
  expect(await post(url, large)).toEqual({ status: 413, text: '{"error":"body too large"}' });
  for (const other of [new URL('/', url), `${url}/more`, new URL('/hooks/%61sg', url)])
    expect((await post(String(other), BODY)).status).toBe(404);
  expect((await post(`${url}?from=gateway`, BODY)).status).toBe(204);
  for (const method of ['GET', 'PUT', 'DELETE']) expect((await fetch(url, { method })).status).toBe(404);
});

test('503 while Redis is away, and taken when the Gateway tries again', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-test-'));
  const socketPath = path.join(dir, 'redis.sock');
  const { path: binary } = await findRedisServer();
  const start = () => spawn(binary, ['--port', '0', '--unixsocket', socketPath, '--save', '', '--dir', dir]);
  let server = start();
  const gateway = await sandbox();
  const redis = connectRedis({ socketPath });
  const pipeline = { ...(await pipelineTo(gateway.url)), redis };
  const deliverer = createDeliverer(pipeline, false);
  const receiving = receiver(pipeline, { path: '/hook', secret: SECRET, deliverer });
  const http = await openHttpServer({
    host: '127.0.0.1',
    port: 0,
    access: null,
    log: pipeline.log,
    parts: [receiving],
  });
  onTestFinished(async () => {
    await http.close();
    redis.disconnect();
    server.kill('SIGKILL');
    await once(server, 'exit');
    await rm(dir, { recursive: true, force: true });
  });
  await redis.ping();
  server.kill('SIGKILL');
  await once(server, 'exit');
  await expect.poll(() => redis.status).not.toBe('ready');
  expect(await post(`${http.url}/hook`, BODY)).toEqual({
    status: 503,
    text: '{"error":"not available now"}',
  });
  expect(await post(`${http.url}/hook`, BODY, { 'x-asg-signature': '' })).toMatchObject({ status: 401 });
  server = start();
  await expect.poll(() => redis.status, { timeout: 10_000 }).toBe('ready');
  expect(await post(`${http.url}/hook`, BODY)).toMatchObject({ status: 204 });
  expect(await outcomes(pipeline)).toEqual({ unavailable: 1, bad_signature: 1, unknown_task: 1 });
});
