import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type LocalGateway, openLocalGateway } from '../../src/sandbox/shared-gateway.js';

const log = pino({ level: 'silent' });
const WITHIN_15_S = { timeout: 15_000, interval: 25 };

let dataDir: string;
let opened: LocalGateway[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'asg-gateway-'));
  opened = [];
});

afterEach(async () => {
  await close();
  await rm(dataDir, { recursive: true, force: true });
});

async function open(): Promise<LocalGateway> {
  const gateway = await openLocalGateway(dataDir, { log });
  opened.push(gateway);
  return gateway;
}

const pidFile = () => join(dataDir, 'sandbox', 'guard.pid');

async function close(): Promise<void> {
  await Promise.all(opened.splice(0).map((gateway) => gateway.close()));
  await vi.waitFor(async () => {
    await expect(stat(pidFile())).rejects.toThrow('ENOENT');
  }, WITHIN_15_S);
}

async function healthy(url: string): Promise<boolean> {
  return await fetch(`${url}/__sandbox/health`).then(
    (answer) => answer.ok,
    () => false,
  );
}

test('two users share one, and it stops with the last', async () => {
  const [first, second] = await Promise.all([open(), open()]);
  expect(second.url).toBe(first.url);
  await first.close();
  expect(await healthy(second.url)).toBe(true);
  await close();
  expect(await healthy(second.url)).toBe(false);
});

test('it accepts its key, and remembers a task from one use to the next', async () => {
  const first = await open();
  const headers = { authorization: `Bearer ${first.apiKey}`, 'content-type': 'application/json' };
  const body = JSON.stringify({
    type: 'image_classification',
    data_url: 'https://example.com/a.jpg',
    label_spec: { question: 'Which?', options: ['a', 'b'] },
  });
  const submitted = await fetch(`${first.url}/v1/tasks`, { method: 'POST', headers, body });
  const { task_id } = (await submitted.json()) as { task_id: string };
  expect(task_id).toEqual(expect.any(String));
  await close();
  const second = await open();
  expect(second.url).toBe(first.url);
  const found = await fetch(`${second.url}/v1/tasks/${task_id}`, { headers });
  expect(await found.json()).toMatchObject({ task_id });
});

test('kill -9: it comes back at the same address', async () => {
  const { url } = await open();
  const [, server] = (await readFile(pidFile(), 'utf8')).trim().split(' ').map(Number);
  process.kill(server ?? 0, 'SIGKILL');
  await vi.waitFor(async () => {
    expect((await readFile(pidFile(), 'utf8')).trim().endsWith(` ${server}`)).toBe(false);
    expect(await healthy(url)).toBe(true);
  }, WITHIN_15_S);
});

test('when another program has taken its port, it takes a new one', async () => {
  const first = await open();
  await close();
  const port = Number(new URL(first.url).port);
  const other = createServer().listen(port, '127.0.0.1');
  try {
    const second = await open();
    expect(second.url).not.toBe(first.url);
    expect(await healthy(second.url)).toBe(true);
  } finally {
    other.close();
  }
});
