import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { ASGGatewayClient } from '../../src/gateway/index.js';
import { type Sandbox, startSandbox } from '../../src/sandbox/index.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const KEY = 'sk_sandbox_examples';
const SECRET = 'whsec_examples';

// Each example is a process that compiles its source first.
vi.setConfig({ testTimeout: 90_000 });

let sandbox: Sandbox;
let manifest: string;
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0, settle: { minMs: 0, maxMs: 0 } });
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-examples-'));
  manifest = path.join(dir, 'items.jsonl');
  const animals = await readFile(path.join(ROOT, 'examples', 'animals.jsonl'), 'utf8');
  await writeFile(manifest, animals.split('\n').slice(0, 30).join('\n'));
  return async () => {
    await sandbox.close();
    await rm(dir, { recursive: true });
  };
});

/** The examples that the tests below run. */
const EXAMPLES = ['custom-sink', 'embed', 'quick', 'webhook-express', 'webhook-fastify'] as const;

test('every example has a test', async () => {
  const files = await readdir(path.join(ROOT, 'examples'));
  expect(files.filter((name) => name.endsWith('.ts')).sort()).toEqual(EXAMPLES.map((name) => `${name}.ts`));
});

/** Runs an example as its user would. The name `asg-ingest` resolves to this source. */
function example(name: (typeof EXAMPLES)[number], args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', `examples/${name}.ts`, ...args], {
    cwd: ROOT,
    env: { ...process.env, ASG_API_KEY: KEY, ASG_BASE_URL: sandbox.url, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output += chunk;
      child.emit('printed');
    });
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, output }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    ended,
    stop: () => child.kill('SIGTERM'),
    async printed(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = pattern.exec(output)?.[1];
        if (found !== undefined) return found;
        if (child.exitCode !== null) throw new Error(`${name} ended: ${output}`);
        await once(child, 'printed');
      }
    },
  };
}

/** A data directory of its own, with an embedded Redis; polls come soon. */
async function pipelineEnv(name: string): Promise<NodeJS.ProcessEnv> {
  const home = path.join(path.dirname(manifest), name);
  const config = path.join(path.dirname(manifest), `${name}.json`);
  await writeFile(config, '{"poll-delay":"50ms","poll-max-delay":"100ms"}');
  return { REDIS_URL: '', ASG_DATA_DIR: home, ASG_OUT: path.join(home, 'out'), ASG_CONFIG: config };
}

test('quick: submits and waits for the label', async () => {
  const { status, output } = await example('quick').ended;
  expect(output).toMatch(/^submitted tsk_\S+\n(cat|dog|bird) \(confidence 0\.\d+, (verified|settled)\)\n$/);
  expect(status).toBe(0);
});

test('embed: producer and consumers in one service', async () => {
  const { status, output } = await example('embed', [manifest], await pipelineEnv('embed')).ended;
  expect(output).toContain(': 30 settled, 0 failed');
  expect(status).toBe(0);
});

test('custom sink: the labels of all parts', async () => {
  const { status, output } = await example('custom-sink', [manifest], await pipelineEnv('sink')).ended;
  expect(output).toContain('30 settled');
  const counts = [...output.matchAll(/^(?:cat|dog|bird|horse|fish) (\d+)$/gm)].map(([, count]) =>
    Number(count),
  );
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30);
  expect(status).toBe(0);
});

test.each(['express', 'fastify'] as const)(
  'a webhook in %s: true deliveries are taken, forged ones refused',
  async (kind) => {
    const receiver = example(`webhook-${kind}`, [], { ASG_WEBHOOK_SECRET: SECRET, PORT: '0' });
    const callback_url = await receiver.printed(/listening on (\S+)/);
    const client = new ASGGatewayClient({ apiKey: KEY, baseUrl: sandbox.url });
    onTestFinished(() => client.close());
    const forge = (signature: string) =>
      fetch(callback_url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(signature && { 'x-asg-signature': signature }) },
        body: '{"task_id":"tsk_forged"}',
      });
    expect((await forge('')).status).toBe(401);
    expect((await forge(`sha256=${'0'.repeat(64)}`)).status).toBe(401);
    await client.registerWebhook({ callback_url, secret: SECRET });
    const { task_id } = await client.submitTask({
      task_type: 'image_classification',
      data_url: `https://images.example.org/${kind}.jpg`,
      label_spec: { question: 'Which?', options: ['cat', 'dog'] },
      callback_url,
    });
    expect(await receiver.printed(/settled (tsk_\S+): (?:cat|dog)/)).toBe(task_id);
    receiver.stop();
    expect((await receiver.ended).output).not.toContain('tsk_forged');
  },
);
