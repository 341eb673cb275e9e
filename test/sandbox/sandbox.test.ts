import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ASGGatewayClient,
  ASGQuotaError,
  ASGRateLimitError,
  type SettledResult,
} from '../../src/gateway/index.js';
import { type SandboxOptions, startSandbox } from '../../src/sandbox/index.js';
import { createLimiter } from '../../src/sandbox/limiter.js';

const SPEC = { question: 'Which?', options: ['cat', 'dog', 'bird'] };
const task = (n: number, more: object = {}) => ({
  task_type: 'image_classification',
  data_url: `https://x.example/${n}`,
  label_spec: SPEC,
  ...more,
});

async function gateway(options: Partial<SandboxOptions> = {}) {
  const server = await startSandbox({ port: 0, settle: { minMs: 0, maxMs: 0 }, ...options });
  const client = new ASGGatewayClient({ apiKey: 'sk_sandbox_t', baseUrl: server.url, retry: false });
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  return { server, client };
}

describe('tasks', () => {
  test('a key known before gives the same task, charged once', async () => {
    const { client, server } = await gateway({ quota: 1 });
    const first = await client.submitTask(task(1, { idempotency_key: 'k' }));
    const again = await client.submitTask(task(1, { idempotency_key: 'k' }));
    expect(again).toMatchObject({ task_id: first.task_id, idempotent: true });
    expect(first.idempotent).toBeUndefined();
    await expect(client.submitTask(task(2))).rejects.toBeInstanceOf(ASGQuotaError);
    expect(server.stats().tasks).toBe(1);
    expect((await client.getCustomer()).label_quota).toBe(0);
  });

  test('in progress until it settles, then the same labels for the same seed', async () => {
    const slow = await gateway({ settle: { minMs: 60_000, maxMs: 60_000 } });
    const { task_id } = await slow.client.submitTask(task(1));
    expect((await slow.client.getResult(task_id)).status).toBe('in_progress');
    const labels = async (seed: number) => {
      const { client } = await gateway({ seed });
      const results = [];
      for (let n = 0; n < 20; n += 1) {
        const { task_id: id } = await client.submitTask(task(n));
        const { consensus_label, confidence, cost_sats, bsv_txid } = (await client.getResult(
          id,
        )) as SettledResult;
        results.push([consensus_label, confidence, cost_sats, bsv_txid]);
      }
      return results;
    };
    const one = await labels(1);
    expect(await labels(1)).toEqual(one);
    expect(await labels(2)).not.toEqual(one);
    expect(new Set(one.map(([label]) => label)).size).toBeGreaterThan(1);
  });

  test.each([
    [{ task_type: 'nonsense' }, /type/],
    [{ data_url: 'ftp://x/y' }, /data_url/],
    [{ label_spec: { question: 'q', options: ['one'] } }, /options/],
    [{ consensus_threshold: 11 }, /consensus_threshold/],
    [{ callback_url: 'https://not.registered.example' }, /callback_url/],
  ])('%j is refused with the reason', async (more, reason) => {
    const { client } = await gateway();
    await expect(client.submitTask(task(1, more))).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringMatching(reason),
    });
  });

  test('a batch counts each task, and ids are found by replay', async () => {
    const { client, server } = await gateway();
    const tasks = [task(1, { idempotency_key: 'a' }), task(2, { idempotency_key: 'b' })];
    expect(await client.submitBatch({ tasks })).toMatchObject({ task_count: 2, status: 'accepted' });
    expect((await client.submitTask(tasks[1] ?? task(2))).idempotent).toBe(true);
    expect(server.stats().tasks).toBe(2);
  });
});

describe('refusals', () => {
  test('401, 404, 405 and 409', async () => {
    const { client, server } = await gateway();
    const status = async (method: string, at: string, headers: Record<string, string> = {}) =>
      (await fetch(server.url + at, { method, headers })).status;
    const key = { authorization: 'Bearer sk_live_x' };
    expect(await status('GET', '/v1/tasks/tsk_1')).toBe(401);
    expect(await status('GET', '/v1/tasks/tsk_1', { authorization: 'Bearer nonsense' })).toBe(401);
    expect(await status('GET', '/v1/tasks/tsk_1', key)).toBe(404);
    expect(await status('GET', '/v1/tasks', key)).toBe(405);
    expect(await status('GET', '/nowhere', key)).toBe(404);
    await client.registerCustomer({ name: 'n', email: 'e@example.org' });
    await expect(client.registerCustomer({ name: 'n', email: 'e@example.org' })).rejects.toMatchObject({
      statusCode: 409,
    });
  });

  test.each(['seconds', 'date', 'none'] as const)('429 with Retry-After as %s', async (retryAfter) => {
    const { client } = await gateway({ rateLimit: 1, rateLimitKind: 'sliding', retryAfter });
    await client.getCustomer();
    const error = await client.getCustomer().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ASGRateLimitError);
    const { retryAfter: ms } = error as ASGRateLimitError;
    if (retryAfter === 'none') expect(ms).toBeUndefined();
    else expect(ms).toBeLessThanOrEqual(1_000);
  });

  test.each(['bucket', 'fixed', 'sliding'] as const)(
    '%s: about its rate over ten seconds, on a clock of its own',
    (kind) => {
      const limiter = createLimiter(20, kind);
      let allowed = 0;
      for (let now = 0; now < 10_000; now += 5) if (limiter.take(1_000_000 + now) === 0) allowed += 1;
      expect(allowed).toBeGreaterThanOrEqual(200);
      expect(allowed).toBeLessThanOrEqual(220);
    },
  );
});

test('its journal outlives kill -9, a torn last line included', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-sandbox-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const main = fileURLToPath(new URL('../../src/sandbox/main.ts', import.meta.url));
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const child = spawn(process.execPath, ['--import', loader, main, JSON.stringify({ port: 0, dir })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  const client = new ASGGatewayClient({
    apiKey: 'sk_sandbox_t',
    baseUrl: JSON.parse(text.toString()).url,
    retry: false,
  });
  const { task_id } = await client.submitTask(task(1, { idempotency_key: 'k' }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  await client.close();
  await appendFile(path.join(dir, 'journal.jsonl'), '{"kind":"task","task_id":"tsk_to');
  const after = await gateway({ dir });
  expect(await after.client.submitTask(task(1, { idempotency_key: 'k' }))).toMatchObject({
    task_id,
    idempotent: true,
  });
  await after.client.submitTask(task(2, { idempotency_key: 'l' }));
  await after.server.close();
  expect((await gateway({ dir })).server.stats().tasks).toBe(2);
});

test('a settled task is delivered, signed with its webhook', async () => {
  const { client } = await gateway();
  const deliveries: { body: string; signature: unknown }[] = [];
  const receiver = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    deliveries.push({ body, signature: request.headers['x-asg-signature'] });
    response.end();
    receiver.emit('delivered');
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  onTestFinished(() => void receiver.close());
  const callback_url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/cb`;
  await client.registerWebhook({ callback_url, secret: 's' });
  expect(JSON.stringify(await client.listWebhooks())).not.toContain('secret');
  const delivered = once(receiver, 'delivered');
  const { task_id } = await client.submitTask(task(1, { callback_url }));
  await delivered;
  const [{ body, signature } = { body: '', signature: '' }] = deliveries;
  expect(JSON.parse(body)).toMatchObject({ event: 'task.settled', task_id });
  expect(signature).toBe(`sha256=${createHmac('sha256', 's').update(body).digest('hex')}`);
});

test('usage and invoices add up to what was settled', async () => {
  const { client } = await gateway();
  for (let n = 0; n < 3; n += 1) await client.submitTask(task(n));
  const usage = await client.getUsage();
  expect(usage.tasks_settled).toBe(3);
  expect(usage.daily_breakdown?.reduce((sum, day) => sum + day.cost_sats, 0)).toBe(usage.total_cost_sats);
  expect((await client.getInvoices()).invoices).toHaveLength(1);
});
