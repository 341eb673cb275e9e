import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { onTestFinished } from 'vitest';
import { type SandboxOptions, startSandbox } from '../../src/sandbox/index.js';

export const KEY = 'sk_sandbox_test';

/** A task as it is sent. */
export const task = (n: number | string = 1, extra: object = {}) => ({
  type: 'image_classification',
  data_url: `https://images.example.org/${n}.jpg`,
  label_spec: { question: 'Which animal?', options: ['cat', 'dog', 'bird'] },
  ...extra,
});

/** The documented fields of all answers; each has those of its endpoint. */
export interface Body {
  error: string;
  task_id: string;
  idempotent?: boolean;
  created_at: string | number;
  settled_at: string;
  consensus_label: string;
  confidence: number;
  worker_count: number;
  agreement_count: number;
  bsv_txid: string;
  cost_sats: number;
  settlement: object;
  webhook_id: string;
  customer_id: string;
  api_key: string;
  api_key_hint: string;
  name: string;
  label_quota: number;
  tasks: number;
  tasks_settled: number;
  worker_payouts_sats: number;
  platform_fee_sats: number;
  daily_breakdown: { tasks: number; cost_sats: number }[];
  invoices: object[];
}

export interface Answer {
  status: number;
  body: Body;
  headers: Record<string, string | string[] | undefined>;
}

/** Calls `method path`; `key` null sends none. */
export async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  key: string | null = KEY,
): Promise<Answer> {
  const answer = await request(`${url}${path}`, {
    method: method as 'GET',
    headers: {
      'content-type': 'application/json',
      ...(key !== null && { authorization: `Bearer ${key}` }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, body: JSON.parse(text) as Body, headers: answer.headers };
}

export async function start(options: Partial<SandboxOptions> = {}) {
  const sandbox = await startSandbox({ port: 0, settle: { minMs: 0, maxMs: 0 }, control: true, ...options });
  onTestFinished(() => sandbox.close());
  return {
    ...sandbox,
    get: (path: string, key?: string | null) => call(sandbox.url, 'GET', path, undefined, key),
    post: (path: string, body: unknown, key?: string | null) => call(sandbox.url, 'POST', path, body, key),
    delete: (path: string) => call(sandbox.url, 'DELETE', path),
  };
}

/** The Gateway as a process of its own. */
export async function spawnSandbox(options: Partial<SandboxOptions>) {
  const main = fileURLToPath(new URL('../../src/sandbox/main.ts', import.meta.url));
  const args = ['--import', 'tsx', main, JSON.stringify({ port: 0, control: true, ...options })];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
      child.kill(signal);
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-sandbox-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Every task the Gateway ever created, as its own record tells. */
export async function recorded(url: string): Promise<{ task_id: string; idempotency_key: string | null }[]> {
  const text = await (await request(`${url}/__sandbox/tasks`)).body.text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { task_id: string; idempotency_key: string | null });
}

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
