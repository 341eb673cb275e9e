import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { doctor } from '../../src/cli/commands/doctor.js';
import { ASGGatewayClient } from '../../src/gateway/client.js';
import { parseRateLimitHeaders } from '../../src/gateway/rate-limit-headers.js';
import { callMain } from '../cli/harness.js';
import { serve } from '../manifest/helpers.js';
import { API_KEY, boughtTasks, readOut, sandbox, until } from '../pipeline/harness.js';
import { startBreakingProxy } from '../setup/breaking-proxy.js';
import { freePort } from '../setup/ports.js';
import { front, overTls } from './servers.js';
import { jsonl, world } from './world.js';

const ASKED = ['--question', 'Which?', '--options', 'a,b', '--poll-delay', '50ms'];

describe('a Gateway that was never reached', () => {
  test('a certificate that is not trusted blocks the run at once, and says what to do', async () => {
    const { call, dir, gateway } = await world();
    const { url, ca } = await overTls(gateway.url);
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(5));
    const exit = await call('m.jsonl', { env: { ASG_BASE_URL: url } });
    expect(exit).toMatchObject({
      status: 4,
      stderr: expect.stringMatching(
        /blocked \(unreachable\): .*certificate.*NODE_EXTRA_CA_CERTS=<file> or --ca <file>/,
      ),
    });
    expect(gateway.stats().tasks).toBe(0);
    const { start } = await world();
    const command = ['run', path.join(dir, 'm.jsonl'), '--quiet', ...ASKED];
    const trusted = await start([...command, '--ca', ca], { env: { ASG_BASE_URL: url } }).exit;
    expect(trusted, trusted.stderr).toMatchObject({ status: 0 });
  });

  test.each([
    [
      'an unknown host',
      'http://gateway.invalid',
      /cannot reach http:\/\/gateway\.invalid: .*(ENOTFOUND|EAI_AGAIN)/,
    ],
    [
      'a refused connection',
      'http://127.0.0.1:1',
      /cannot reach http:\/\/127\.0\.0\.1:1: nothing listens there/,
    ],
  ])('%s is in the display within seconds', async (_what, url, why) => {
    const { start, dir } = await world();
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(5));
    const process = start(['run', 'm.jsonl', ...ASKED], { env: { ASG_BASE_URL: url } });
    let said = '';
    process.child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => why.test(said), 'the cause', 60_000);
    expect(said).toMatch(/running, waiting for gateway: cannot reach/);
    process.kill('SIGINT');
    process.kill('SIGINT');
    await process.exit;
  });

  test.each(['an unknown host', 'a refused connection'])(
    '%s blocks the run when --retry-for is over, and no line has failed; it goes on once there is an answer',
    async (what) => {
      const { start, dir, out } = await world();
      await writeFile(path.join(dir, 'm.jsonl'), jsonl(5));
      const port = await freePort();
      const host = what === 'an unknown host' ? 'gateway.invalid' : '127.0.0.1';
      const command = ['run', 'm.jsonl', '--out', 'out', '--quiet', '--retry-for', '2s', ...ASKED];
      const env = { ASG_BASE_URL: `http://${host}:${port}` };
      for (const again of [false, true]) {
        const exit = await start(command, { env }).exit;
        expect(exit, `${again}`).toMatchObject({
          status: 4,
          stderr: expect.stringMatching(
            /blocked \(unreachable\): cannot reach the Gateway, which has never answered: .*(ENOTFOUND|EAI_AGAIN|ECONNREFUSED)/,
          ),
        });
      }
      expect((await readOut(out())).failures).toEqual([]);
      if (host === 'gateway.invalid') return;
      const gateway = await sandbox({ port });
      const exit = await start(command, { env }).exit;
      expect(exit, exit.stderr).toMatchObject({ status: 0 });
      expect(gateway.stats().tasks).toBe(5);
    },
  );

  test('one that has answered before is waited for: its lines are tried for --retry-for each', async () => {
    const { start, dir, gateway, out } = await world({ settle: { minMs: 60_000, maxMs: 60_000 } });
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(2));
    const front = await startBreakingProxy(gateway.url);
    onTestFinished(front.close);
    // One submission is answered, and nothing after it.
    front.fault = () => (gateway.stats().tasks === 0 ? null : { resetAt: 0 });
    const exit = await start(
      ['run', 'm.jsonl', '--out', 'out', '--quiet', '--retry-for', '1s', '--concurrency', '1', ...ASKED],
      { env: { ASG_BASE_URL: front.url } },
    ).exit;
    expect(exit, exit.stderr).toMatchObject({ status: 3 });
    const codes = (await readOut(out())).failures.map(({ error }) => (error as { code: string }).code);
    expect(new Set(codes)).toEqual(new Set(['retries_exhausted']));
  });
});

describe('answers that come packed, though that was not asked for', () => {
  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('%s', async (encoding, pack) => {
    const { call, dir, gateway } = await world();
    const asked: (string | undefined)[] = [];
    const listener = front(gateway.url, (body, response) => {
      response.setHeader('content-encoding', encoding);
      return pack(body);
    });
    const url = await serve((request_, response) => {
      asked.push(request_.headers['accept-encoding']?.toString());
      listener(request_, response);
    });
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(10));
    const exit = await call('m.jsonl', { env: { ASG_BASE_URL: url } });
    expect(exit, exit.stderr).toMatchObject({ status: 0 });
    expect((await boughtTasks(gateway.url)).length).toBe(10);
    expect(new Set(asked)).toEqual(new Set(['identity']));
  });

  test('another encoding is named, by doctor too', async () => {
    const { gateway, dir, prefix } = await world();
    const listener = front(gateway.url, (body, response) => {
      response.setHeader('content-encoding', 'zstd');
      return body;
    });
    const env = { ASG_API_KEY: API_KEY, ASG_BASE_URL: await serve(listener), ASG_PREFIX: prefix };
    const { stdout } = await callMain(['doctor'], { doctor }, { cwd: dir, env });
    expect(stdout).toMatch(/FAIL Gateway.*in an encoding that was not asked for \(zstd\)/);
  });
});

test.each(['/', '/v1', '/v1/'])(
  'a base URL that ends in %s is understood, and is the same Gateway',
  async (ending) => {
    const { call, dir, gateway } = await world();
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(3));
    const plain = await call('m.jsonl');
    const exit = await call('m.jsonl', { env: { ASG_BASE_URL: `${gateway.url}${ending}` } });
    expect(exit, exit.stderr).toMatchObject({ status: 0 });
    expect(JSON.parse(exit.stdout).run_id).toBe(JSON.parse(plain.stdout).run_id);
  },
);

describe('answers without end', () => {
  const clientOf = (baseUrl: string) => {
    const client = new ASGGatewayClient({ baseUrl, apiKey: API_KEY, retry: false });
    onTestFinished(() => client.close());
    return client;
  };
  const task = {
    task_type: 'sentiment',
    data_url: 'https://x.example/1',
    label_spec: { question: 'Which?', options: ['a', 'b'] },
  };

  test.each(['with a length', 'without'])(
    'no more than 1 MiB of a task is read, 16 MiB of a batch (%s)',
    async (how) => {
      let sent = 0;
      const block = Buffer.alloc(64 * 1024, ' ');
      const url = await serve((_request, response) => {
        response.writeHead(200, {
          'content-type': 'application/json',
          ...(how === 'with a length' && { 'content-length': 3_000 * 1024 * 1024 }),
        });
        const more = () => {
          while (!response.destroyed) {
            sent += block.length;
            if (!response.write(block)) return void response.once('drain', more);
          }
        };
        more();
      });
      const client = clientOf(url);
      await expect(client.submitTask(task)).rejects.toMatchObject({
        code: 'invalid_response',
        message: expect.stringContaining('more than 1 MiB'),
      });
      expect(sent).toBeLessThan(32 * 1024 * 1024);
      await expect(client.submitBatch({ tasks: [task] })).rejects.toMatchObject({
        message: expect.stringContaining('more than 16 MiB'),
      });
      expect(sent).toBeLessThan(96 * 1024 * 1024);
    },
  );

  test('a packed one neither', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb);
    });
    await expect(clientOf(url).getTask('t')).rejects.toMatchObject({
      code: 'invalid_response',
      message: expect.stringContaining('more than 1 MiB'),
    });
  });

  test('the limit headers take time linear in their length', () => {
    const began = performance.now();
    for (let n = 0; n < 20; n += 1)
      parseRateLimitHeaders({ ratelimit: '"'.repeat(16_000), 'ratelimit-policy': '",'.repeat(8_000) }, 0);
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(parseRateLimitHeaders({ ratelimit: '"a;,b";r=5;t=3' }, 0)).toMatchObject({
      remaining: 5,
      resetMs: 3_000,
    });
  });
});

describe('too few file descriptors', () => {
  const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  async function limited(limit: number, cwd: string, args: string[], env: Record<string, string>) {
    const child = spawn('sh', ['-c', `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath, MAIN, ...args], {
      cwd,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ASG_API_KEY: API_KEY, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const [status] = await once(child, 'close');
    return { status: status as number, stdout, stderr };
  }

  test('the calls in flight are fewer, with a warning, and none is made twice', async () => {
    const { gateway, dir, settings } = await world({ latency: { minMs: 200, maxMs: 300 } });
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(400));
    const args = ['run', 'm.jsonl', '--concurrency', '2000', '--json', '--quiet', ...ASKED];
    const exit = await limited(150, dir, args, settings);
    expect(exit, exit.stderr).toMatchObject({ status: 0 });
    expect(exit.stderr).toMatch(/--concurrency 2000 is taken as 70: .*150 files open/);
    const { gateway_calls } = JSON.parse(exit.stdout);
    expect(gateway_calls.submit).toEqual({ 202: 400 });
    expect(gateway_calls.result.network_error).toBeUndefined();
    expect(gateway.stats().tasks).toBe(400);
  });

  test('a call for which this machine has no file left is not told as one of the Gateway', async () => {
    const { gateway, dir } = await world();
    const client = new URL('../../dist/gateway/index.js', import.meta.url).href;
    await writeFile(
      path.join(dir, 'full.mjs'),
      `import { openSync } from 'node:fs';
       import { ASGGatewayClient } from ${JSON.stringify(client)};
       const told = [];
       const make = () => new ASGGatewayClient({
         apiKey: ${JSON.stringify(API_KEY)}, baseUrl: ${JSON.stringify(gateway.url)}, retry: false,
         onCall: ({ status }) => void told.push(status),
       });
       await make().getCustomer();
       try { for (;;) openSync('/dev/null'); } catch {}
       const error = await make().getCustomer().catch((error) => error);
       process.stdout.write(JSON.stringify({ told, name: error.name, code: error.cause?.code }));
       process.exit();`,
    );
    const child = spawn('sh', ['-c', `ulimit -n 100; exec "$0" full.mjs`, process.execPath], { cwd: dir });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    await once(child, 'close');
    expect(JSON.parse(stdout)).toEqual({ told: [200], name: 'ASGNetworkError', code: 'EMFILE' });
  });

  test('far too few: exit 2 with what to do', async () => {
    const { dir, settings } = await world();
    await writeFile(path.join(dir, 'm.jsonl'), jsonl(4));
    expect(await limited(60, dir, ['run', 'm.jsonl', '--quiet', ...ASKED], settings)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/60 files open[\s\S]*→ .*ulimit -n 4096/),
    });
  });
});
