import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { createBudget } from '../../src/budget/index.js';
import { resolveSettings, type Settings } from '../../src/config/index.js';
import { createConcurrencyLimit } from '../../src/consumers/concurrency-limit.js';
import { ASGGatewayClient } from '../../src/gateway/client.js';
import { createObjectStores } from '../../src/lib/object-stores/index.js';
import { createMetrics } from '../../src/metrics/metrics.js';
import type { Pipeline } from '../../src/pipeline/pipeline.js';
import { type RunOutcome, runManifest } from '../../src/pipeline/run.js';
import { forecastReader } from '../../src/plan/forecast/known.js';
import { openQueues } from '../../src/queues/queues.js';
import { connectRedis, redisOptions } from '../../src/redis/connection.js';
import type { FailureRow, ResultRow } from '../../src/results/rows.js';
import { runPolicy } from '../../src/runs/from-settings.js';
import { keyFingerprint } from '../../src/runs/identity.js';
import { budgetKey, runKeys } from '../../src/runs/keys.js';
import { type SandboxOptions, startSandbox } from '../../src/sandbox/index.js';
import { testRedis, uniquePrefix } from '../setup/redis-target.js';

export const API_KEY = 'sk_sandbox_test';
const TASK = { question: 'Which animal?', options: 'cat,dog,bird' };
/** Settles at once, polls soon: a run of a few hundred lines takes a second or two. */
const FAST = { settle: { minMs: 0, maxMs: 50 } } as const;
const FAST_POLLS = { pollDelay: '50ms', pollMaxDelay: '200ms' };

export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export const line = (n: number, extra: object = {}) => ({
  data_url: `https://images.example.org/${n}.jpg`,
  metadata: { n },
  ...extra,
});

/** The lines 1 to `count`. */
export const numbered = (count: number) => Array.from({ length: count }, (_, i) => line(i + 1));

export async function writeManifest(
  dir: string,
  lines: (object | string)[],
  name = 'manifest.jsonl',
): Promise<string> {
  const file = path.join(dir, name);
  await writeFile(
    file,
    lines.map((each) => `${typeof each === 'string' ? each : JSON.stringify(each)}\n`).join(''),
  );
  return file;
}

export async function sandbox(options: Partial<SandboxOptions> = {}) {
  const server = await startSandbox({ port: 0, ...FAST, control: true, ...options });
  onTestFinished(() => server.close());
  return server;
}

/** A pipeline on the test's Redis, with a prefix of its own. Closed when the test ends. */
export async function pipelineTo(
  url: string,
  options: { prefix?: string; rate?: number; apiKey?: string } = {},
) {
  const { prefix = uniquePrefix(), apiKey = API_KEY } = options;
  const target = testRedis();
  const redis = connectRedis(target);
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const client = new ASGGatewayClient({ apiKey, baseUrl: url, retry: false });
  const key = budgetKey(prefix, keyFingerprint(apiKey), url);
  const budget = createBudget({
    redis,
    key,
    log,
    ...(options.rate === undefined ? {} : { rate: options.rate }),
  });
  await budget.start();
  onTestFinished(async () => {
    await budget.close();
    await client.close();
    redis.disconnect();
  });
  const pipeline: Pipeline = {
    redis,
    connection: redisOptions(target) as Pipeline['connection'],
    prefix,
    client,
    budget,
    origin: url,
    keyFingerprint: keyFingerprint(apiKey),
    forecast: forecastReader(redis, prefix),
    concurrencyLimit: createConcurrencyLimit(50),
    concurrency: 50,
    objectStores: createObjectStores(),
    webhooks: null,
    metrics: createMetrics(),
    log,
  };
  return pipeline;
}

export function settingsFor(dir: string, flags: Record<string, unknown> = {}): Settings {
  return resolveSettings({
    command: 'run',
    flags: { dataDir: path.join(dir, 'data'), out: path.join(dir, 'out'), ...TASK, ...FAST_POLLS, ...flags },
    env: { ASG_API_KEY: API_KEY },
    cwd: dir,
  });
}

/** What most runs are made of: a local Gateway, a manifest of so many lines in a folder, and a pipeline between them. */
export async function ingestion(count: number, options: Partial<SandboxOptions> = {}) {
  const gateway = await sandbox(options);
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(count));
  const pipeline = await pipelineTo(gateway.url);
  return { gateway, dir, manifest, pipeline };
}

export const runPolicyOf = (dir: string) => runPolicy(settingsFor(dir));

export function runLines(
  pipeline: Pipeline,
  dir: string,
  manifest: string,
  flags: Record<string, unknown> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<RunOutcome> {
  return runManifest(pipeline, settingsFor(dir, flags), manifest, { cwd: dir, signal });
}

export interface Parts {
  results: ResultRow[];
  failures: FailureRow[];
  names: string[];
  summary: Record<string, unknown> | null;
}

export async function readOut(out: string): Promise<Parts> {
  const names = (await readdir(out)).sort();
  const rows = async <T>(kind: string) => {
    const texts = await Promise.all(
      names.filter((n) => n.startsWith(`${kind}-`)).map((n) => readFile(path.join(out, n), 'utf8')),
    );
    return texts.flatMap((text) => text.split('\n').filter(Boolean)).map((text) => JSON.parse(text) as T);
  };
  const summary = names.includes('summary.json')
    ? JSON.parse(await readFile(path.join(out, 'summary.json'), 'utf8'))
    : null;
  return {
    results: await rows<ResultRow>('results'),
    failures: await rows<FailureRow>('failures'),
    names,
    summary,
  };
}

export interface SandboxTask {
  task_id: string;
  idempotency_key: string;
  data_url: string;
}

/** The Gateway's own record: what was bought. */
export async function boughtTasks(url: string): Promise<SandboxTask[]> {
  const text = await (await fetch(`${url}/__sandbox/tasks`)).text();
  return text
    .split('\n')
    .filter(Boolean)
    .map((row) => JSON.parse(row) as SandboxTask);
}

/** How many lines the jobs of a run's queue carry. */
export async function linesIn(pipeline: Pipeline, run: string, queue: 'submit' | 'poll'): Promise<number> {
  const queues = openQueues(runKeys(pipeline.prefix, run), pipeline.connection, () => undefined);
  try {
    const jobs = await queues[queue].getJobs(['wait', 'active', 'delayed', 'prioritized']);
    // One that has left while they were read is null.
    return jobs.reduce((sum, job) => sum + (job?.data?.n ?? 0), 0);
  } finally {
    await queues.close();
  }
}

export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  deadlineMs = 30_000,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The flags by which a command finds the test's Redis. */
export const storeFlags = ({ prefix }: Pick<Pipeline, 'prefix'>): string[] => [
  ...['--redis-url', `unix://${testRedis().socketPath}`],
  ...['--prefix', prefix],
];
