import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createRawServer } from 'node:net';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { task } from '../../src/cli/commands/gateway/task.js';
import { run } from '../../src/cli/commands/run.js';
import { openHttpServer } from '../../src/web/server.js';
import { createDeliverer } from '../../src/webhooks/deliver.js';
import { receiver } from '../../src/webhooks/receiver.js';
import { callMain } from '../cli/harness.js';
import { serve } from '../manifest/helpers.js';
import {
  API_KEY,
  line,
  pipelineTo,
  readOut,
  runLines,
  sandbox,
  tempDir,
  writeManifest,
} from '../pipeline/harness.js';
import { front } from '../world/servers.js';
import { world } from '../world/world.js';

const SECRET = 'whsec';

async function openReceiver() {
  const pipeline = await pipelineTo('http://127.0.0.1:1');
  const deliverer = createDeliverer(pipeline, false);
  const part = receiver(pipeline, { path: '/hook', secret: SECRET, deliverer });
  const server = await openHttpServer({
    host: '127.0.0.1',
    port: 0,
    access: null,
    log: pipeline.log,
    parts: [part],
  });
  onTestFinished(async () => {
    await server.close();
    await deliverer.close();
  });
  const post = async (body: string | Buffer, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${server.url}/hook`, {
      method: 'POST',
      body: body as string,
      headers: {
        'content-type': 'application/json',
        'x-asg-signature': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
        ...headers,
      },
    });
    await answer.text();
    return answer.status;
  };
  const keys = () => pipeline.redis.keys(`${pipeline.prefix}:delivery:*`);
  return { post, keys, pipeline };
}

const delivery = (task_id: string, more: object = {}) =>
  JSON.stringify({ event: 'task.settled', task_id, timestamp: new Date().toISOString(), ...more });

test('a flood of forged deliveries leaves nothing in Redis and no memory taken', async () => {
  const { post, keys } = await openReceiver();
  const forged = { 'x-asg-signature': `sha256=${'0'.repeat(64)}` };
  const flood = async (count: number) => {
    for (let n = 0; n < count; n += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          post(delivery(`tsk_${n + i}`, { pad: 'x'.repeat(10_000) }), forged),
        ),
      );
  };
  await flood(500);
  const before = process.memoryUsage().rss;
  await flood(3_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20);
  expect(await keys()).toEqual([]);
}, 120_000);

test('signed deliveries of unknown tasks are remembered for two minutes, each once', async () => {
  const { post, keys, pipeline } = await openReceiver();
  const same = delivery('tsk_same');
  for (let n = 0; n < 50; n += 1) expect(await post(same)).toBe(204);
  for (let n = 0; n < 50; n += 1) await post(delivery(`tsk_${n}`));
  const kept = await keys();
  expect(kept).toHaveLength(51);
  for (const key of kept) expect(await pipeline.redis.ttl(key)).toBeGreaterThan(0);
  for (const key of kept) expect(await pipeline.redis.ttl(key)).toBeLessThanOrEqual(120);
});

test('a delivery that was recorded and is sent again later is refused', async () => {
  const { post } = await openReceiver();
  const recorded = delivery('tsk_1');
  expect(await post(recorded)).toBe(204);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6 * 60_000 });
  onTestFinished(() => void vi.useRealTimers());
  expect(await post(recorded)).toBe(400);
});

test('bodies: ten megabytes, other types, and JSON that is nested without end', async () => {
  const { post } = await openReceiver();
  expect(await post('x'.repeat(10 << 20)).catch(() => 413)).toBe(413);
  const nested = delivery('t').replace(/}$/, `,"x":${'['.repeat(30_000)}${']'.repeat(30_000)}}`);
  expect([204, 400]).toContain(await post(nested));
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
    expect([204, 400], type).toContain(await post(delivery('tsk_2'), { 'content-type': type }));
  expect(await post(delivery('tsk_3'))).toBe(204);
});

test('a manifest line that is nested without end fails alone', async () => {
  const dir = await tempDir();
  const gateway = await sandbox();
  const deep = `{"data_url":"https://images.example.org/d.jpg","metadata":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
  const objects = `{"data_url":"https://images.example.org/o.jpg","metadata":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`;
  const { summary } = await runLines(
    await pipelineTo(gateway.url),
    dir,
    await writeManifest(dir, [line(1), deep, objects, line(2)]),
  );
  expect(summary).toMatchObject({ lines: 4, settled: 2, failed: 2, failures: { invalid_line: 2 } });
  expect((await readOut(path.join(dir, 'out'))).failures.map(({ line }) => line)).toEqual([2, 3]);
}, 60_000);

test("a Gateway's answer that is nested without end is an error of one call", async () => {
  const server = createServer((request, response) => {
    request.resume();
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    response.writeHead(200, { 'content-type': 'application/json' }).end(`{"task_id":"tsk_1","x":${deep}}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  const env = {
    ASG_API_KEY: API_KEY,
    ASG_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
  for (const flags of [[], ['--json'], ['--log-level', 'trace']]) {
    const { status, stderr } = await callMain(['task', 'get', 'tsk_1', ...flags], { task }, { env });
    expect([0, 1], stderr).toContain(status);
    expect(stderr).not.toMatch(/^\s+at /m);
  }
});

test('a label of 50 MB is an error of its line alone, whose record stays small', async () => {
  const { call, dir, gateway, out } = await world();
  await writeManifest(dir, [line(1), line(2), line(3)]);
  const label = 'x'.repeat(50 << 20);
  let its: string | null = null;
  const url = await serve(
    front(gateway.url, (body) => {
      const answer = JSON.parse(body.toString()) as { task_id?: string; consensus_label?: string };
      if (answer.consensus_label === undefined || answer.task_id === undefined) return body;
      its ??= answer.task_id;
      return answer.task_id === its
        ? Buffer.from(JSON.stringify({ ...answer, consensus_label: label }))
        : body;
    }),
  );
  const args = ['--out', 'out', '--retry-for', '1s'];
  const { status, stderr } = await call('manifest.jsonl', { args, env: { ASG_BASE_URL: url } });
  expect(status, stderr).toBe(3);
  const { results, failures } = await readOut(out());
  expect(results).toHaveLength(2);
  expect(failures).toMatchObject([
    {
      task_id: its,
      error: { code: 'retries_exhausted', message: expect.stringContaining('more than 1 MiB') },
    },
  ]);
  expect(JSON.stringify(failures).length).toBeLessThan(5_000);
}, 120_000);

test("a flood of headers in a Gateway's or a source's answer is refused before it is kept", async () => {
  let sent = 0;
  const server = createRawServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', async () => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const some = `x-flood: ${'a'.repeat(50)}\r\n`.repeat(1_000);
      let mine = 0;
      while (!socket.destroyed && mine < 100 << 20) {
        mine += some.length;
        if (!socket.write(some))
          await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
      }
      sent = Math.max(sent, mine);
      socket.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { ASG_API_KEY: API_KEY, ASG_BASE_URL: url };
  expect(await callMain(['task', 'get', 'tsk_1'], { task }, { env })).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/[Hh]eader/),
  });
  const { call } = await world();
  expect((await call(`${url}/m.jsonl`)).status).not.toBe(0);
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(20 << 20);
}, 120_000);

test.each(['a}b', 'a{b', 'a:b', 'a b', "a'b", '../a', 'a\n', 'a\0b', 'a/b', '-'.repeat(65), ''])(
  'a run named %j is refused: no key, file name or script is made of it',
  async (name) => {
    const argv = ['run', 'x.jsonl', '--sandbox', `--run-id=${name}`, '--data-dir', await tempDir()];
    expect((await callMain(argv, { run }, { cwd: await tempDir() })).status).toBe(2);
  },
);

test('a prefix of quotes, globs and Lua is a name like any other', async () => {
  const dir = await tempDir();
  const gateway = await sandbox();
  const pipeline = await pipelineTo(gateway.url);
  const { redis } = pipeline;
  const other = `${pipeline.prefix}-other`;
  await redis.set(other, 'untouched');
  const prefix = `${pipeline.prefix}*?[a]"'\\]]..redis.call("flushall")--%s$1`.slice(0, 64);
  const { summary } = await runLines(
    { ...pipeline, prefix },
    dir,
    await writeManifest(dir, [line(1), line(2)]),
  );
  expect(summary).toMatchObject({ lines: 2, settled: 2 });
  expect(await redis.get(other)).toBe('untouched');
  await redis.del(other);
}, 60_000);
