import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { expect, onTestFinished, test } from 'vitest';
import { parts } from '../../src/cli/commands/parts.js';
import { rekey } from '../../src/cli/commands/rekey.js';
import { results } from '../../src/cli/commands/results.js';
import { run } from '../../src/cli/commands/run.js';
import { requestOf } from '../../src/pipeline/notices/body.js';
import type { Notice } from '../../src/pipeline/notices/notice.js';
import { exportRows } from '../../src/results/export.js';
import { TASK } from './cli.js';
import { API_KEY, boughtTasks, line, numbered, sandbox, tempDir, writeManifest } from './harness.js';
import { commandLine } from './plan-commands.js';

const rowsOf = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((row) => JSON.parse(row) as Record<string, unknown>);

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

async function listen(handle: (request: IncomingMessage) => Promise<{ status: number; body?: string }>) {
  const server = createServer(async (request, response) => {
    const { status, body = '' } = await handle(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('_parts.jsonl and `parts --follow` tell of each part as the summary does', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, [...numbered(60), '{"broken']);
  const { call } = commandLine(dir, gateway.url);
  const running = call(run, [
    manifest,
    '--run-id',
    'r',
    '--out',
    'out',
    '--part-size',
    '8KiB',
    ...TASK,
    '--json',
    '--quiet',
  ]);
  const { status, stdout } = await running;
  expect(status).toBe(3);
  const { parts: listed } = JSON.parse(stdout) as { parts: { name: string; rows: number }[] };
  expect(listed.length).toBeGreaterThan(2);
  expect(rowsOf(await readFile(path.join(dir, 'out', '_parts.jsonl'), 'utf8'))).toEqual(listed);
  const followed = await call(parts, ['r', '--follow']);
  expect(followed.status).toBe(0);
  expect(rowsOf(followed.stdout)).toEqual(listed);
}, 60_000);

test('results as CSV and as Parquet: the same rows; formulas stay text, metadata keeps its digits', async () => {
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, [
    line(1, { metadata: { n: 1, note: 'a "quoted", text' } }),
    '{"data_url":"https://a.example.org/2.jpg","metadata":{"big":12345678901234567890}}',
    line(3, { metadata: null, idempotency_key: '=HYPERLINK("https://evil.example")' }),
  ]);
  const { call } = commandLine(dir, gateway.url);
  const ran = await call(run, [manifest, '--run-id', 'r', ...TASK, '--quiet']);
  expect(ran.status).toBe(0);
  const jsonl = (await call(results, ['r', '--order', 'line'])).stdout;
  const csv = (await call(results, ['r', '--order', 'line', '--format', 'csv'])).stdout.trimEnd().split('\n');
  expect(csv[0]).toMatch(/^line,source,data_url,metadata,idempotency_key,task_id,status,/);
  expect(csv[1]).toContain('"{""n"":1,""note"":""a \\""quoted\\"", text""}"');
  expect(csv[3]).toContain(`'=HYPERLINK(`);

  const chunks: Uint8Array[] = [];
  const lines = async function* () {
    yield* jsonl.split('\n').filter(Boolean);
  };
  for await (const chunk of exportRows(lines(), 'parquet')) chunks.push(chunk as Uint8Array);
  const file = Buffer.concat(chunks);
  const read = await parquetReadObjects({
    file: file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer,
  });
  const truth = rowsOf(jsonl);
  expect(read.map((row) => Number(row.line))).toEqual([1, 2, 3]);
  expect(read.map((row) => row.task_id)).toEqual(truth.map((row) => row.task_id));
  expect(read.map((row) => row.confidence)).toEqual(truth.map((row) => row.confidence));
  expect(read[1]?.metadata).toBe('{"big":12345678901234567890}');
  expect(read[2]?.metadata ?? null).toBeNull();
}, 60_000);

test('notices of a run: half of it and its end, signed, each once, though the receiver fails at first', async () => {
  const secret = 'a long random text';
  const taken: Notice[] = [];
  let refused = 0;
  const url = await listen(async (request) => {
    const body = await textOf(request);
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    expect(request.headers['x-asg-signature']).toBe(signature);
    if (refused === 0) {
      refused += 1;
      return { status: 503 };
    }
    taken.push(JSON.parse(body) as Notice);
    return { status: 204 };
  });
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(40));
  const { call } = commandLine(dir, gateway.url);
  const args = [manifest, '--run-id', 'r', '--notify', `${url}/hook`, ...TASK, '--json', '--quiet'];
  const unsigned = await call(run, args);
  expect(unsigned).toMatchObject({ status: 2, stderr: expect.stringContaining('ASG_NOTIFY_SECRET') });
  const env = { ASG_NOTIFY_SECRET: secret };
  expect((await call(run, args, env)).status).toBe(0);
  expect(refused).toBe(1);
  expect(taken.map(({ event }) => event)).toContain('completed');
  const completed = taken.find(({ event }) => event === 'completed');
  expect(completed).toMatchObject({ run_id: 'r', state: 'completed', lines: 40, settled: 40, failed: 0 });
  const before = taken.length;
  // The same command again reports the run, and sends no notice again.
  expect((await call(run, args, env)).status).toBe(0);
  expect(taken.length).toBe(before);
}, 60_000);

test('a blocked run is told of; a receiver that is away does not change its exit', async () => {
  const events: string[] = [];
  const url = await listen(async (request) => {
    events.push((JSON.parse(await textOf(request)) as Notice).event);
    return { status: 200 };
  });
  const gateway = await sandbox();
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(30));
  const { call } = commandLine(dir, gateway.url);
  const args = [manifest, '--run-id', 'r', '--budget', '10', ...TASK, '--json', '--quiet'];
  const env = { ASG_NOTIFY_SECRET: 's', ASG_NOTIFY_URL: url };
  const { status, stderr } = await call(run, args, env);
  expect({ status, stderr }).toMatchObject({ status: 4, stderr: expect.not.stringContaining(url) });
  expect(events).toContain('blocked');
  const away = await call(run, args, { ...env, ASG_NOTIFY_URL: 'http://127.0.0.1:9/' });
  expect(away.status).toBe(4);
}, 90_000);

test("Slack's own addresses get Slack's form, without a signature and without its markup", () => {
  const notice = {
    event: 'blocked',
    run_id: 'r',
    reason: 'quota',
    message: 'a <b> & c',
    lines: 10,
    settled: 5,
    failed: 1,
    cost_sats: 3_250,
  } as Notice;
  const { body, headers } = requestOf(notice, 'https://hooks.slack.com/services/T/B/X', null);
  expect(JSON.parse(body)).toEqual({
    text: 'asg-ingest run r: blocked (quota): a &lt;b&gt; &amp; c\n5 of 10 lines settled, 1 failed, 3,250 sats',
  });
  expect(headers).not.toHaveProperty('x-asg-signature');
});

test('rekey: a rotated key of the same account takes a run over, that of another account does not', async () => {
  const gateway = await sandbox({ settle: { minMs: 0, maxMs: 20 } });
  // The key that took the old one's place: what comes with it reaches the same account.
  const rotated = 'sk_sandbox_rotated';
  const url = await listen(async (request) => {
    const body = await textOf(request);
    const key = request.headers.authorization?.replace('Bearer ', '');
    const answer = await fetch(`${gateway.url}${request.url}`, {
      method: request.method ?? 'GET',
      headers: {
        authorization: `Bearer ${key === rotated ? API_KEY : key}`,
        'content-type': 'application/json',
      },
      ...(body === '' ? {} : { body }),
    });
    return { status: answer.status, body: await answer.text() };
  });
  const dir = await tempDir();
  const manifest = await writeManifest(dir, numbered(30));
  const { call } = commandLine(dir, url);
  const args = [manifest, '--run-id', 'r', '--out', 'out', ...TASK, '--json', '--quiet'];
  expect((await call(run, [...args, '--budget', '10'])).status).toBe(4);

  const stranger = { ASG_API_KEY: 'sk_sandbox_stranger' };
  const refused = await call(rekey, ['r'], stranger);
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('of another account') });

  const env = { ASG_API_KEY: rotated };
  const stranded = await call(run, args, env);
  expect(stranded).toMatchObject({ status: 2, stderr: expect.stringContaining('asg-ingest rekey r') });
  const moved = await call(rekey, ['r', '--json'], env);
  expect(moved.status).toBe(0);
  expect(JSON.parse(moved.stdout)).toMatchObject({ run_id: 'r', proof: 'task', consumers: 0 });
  const { status, stdout } = await call(run, args, env);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ state: 'completed', settled: 30 });
  expect((await boughtTasks(gateway.url)).length).toBe(30);

  // The customer is on record now, and the old key as good as the new one.
  const back = await call(rekey, ['r', '--json'], { ASG_OLD_API_KEY: rotated });
  expect(JSON.parse(back.stdout)).toMatchObject({ proof: 'customer' });
}, 90_000);
