import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { testStores } from '../lib/object-stores/stores.js';
import { startCli } from '../pipeline/cli.js';
import { line, sandbox, tempDir, until } from '../pipeline/harness.js';
import { freePort } from '../setup/ports.js';
import { startRedisServer } from '../setup/redis-server.js';

const stores = testStores();
const row = (n: number) => JSON.stringify(line(n));

/** Each can be told from all the others, and from anything else. */
const SECRETS = {
  apiKey: 'sk_sandbox_MARKEDkey0001',
  webhookSecret: 'MARKEDwebhook"secret0002',
  redisPassword: 'MARKEDredis0003',
  viewerToken: 'MARKEDviewer0004',
  operatorToken: 'MARKEDoperator0005',
  awsKeyId: 'AKIAMARKED0006',
  awsSecret: 'MARKEDaws/secret+0007',
  login: 'MARKEDlogin0008',
  jobKeyId: 'AKIAMARKED0009',
  jobSecret: 'MARKEDjob/secret+0010',
  encryptionKey: 'abcd0011'.repeat(8),
  query: 'MARKEDquery0012',
  signature: 'MARKEDsignature0013',
} as const;

/** As it is, and as JSON, URLs, base64 and headers write it. */
const formsOf = (secret: string) => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(`:${secret}`).toString('base64').slice(4).replace(/=+$/, ''),
];

/** A text by the place where it was found. */
type Found = Map<string, string>;

function leaks(found: Found): string[] {
  const all: string[] = [];
  for (const [place, text] of found)
    for (const [name, secret] of Object.entries(SECRETS))
      if (formsOf(secret).some((form) => text.includes(form))) all.push(`${name} in ${place}`);
  return all;
}

/** Text, and what it is packed in. */
function unpacked(bytes: Buffer): string {
  const texts = [bytes.toString('latin1'), bytes.toString('utf8')];
  for (const unpack of [gunzipSync, inflateSync, inflateRawSync])
    try {
      texts.push(unpack(bytes).toString());
    } catch {
      // Not packed so.
    }
  // What is packed within JSON.
  for (const [packed] of texts.join('\n').matchAll(/[A-Za-z0-9+/]{40,}={0,2}/g))
    try {
      texts.push(inflateRawSync(Buffer.from(packed, 'base64')).toString());
    } catch {
      // Not packed so.
    }
  return texts.join('\n');
}

async function filesOf(dir: string, found: Found): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    found.set(`the name of ${file}`, file);
    if (entry.isFile()) found.set(`the file ${file}`, unpacked(await readFile(file)));
  }
}

/** Every key with all that it holds, whatever its type. */
async function redisOf(redis: Redis, found: Found): Promise<void> {
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.getBuffer(key),
    hash: (key) => redis.hgetallBuffer(key),
    list: (key) => redis.lrangeBuffer(key, 0, -1),
    set: (key) => redis.smembersBuffer(key),
    zset: (key) => redis.zrangeBuffer(key, '0', '-1'),
    stream: (key) => redis.xrangeBuffer(key, '-', '+'),
  };
  const parts = (value: unknown): string[] => {
    if (Buffer.isBuffer(value)) return [unpacked(value)];
    if (typeof value !== 'object' || value === null) return [String(value)];
    return Object.entries(value).flatMap(([name, inner]) => [name, ...parts(inner)]);
  };
  for (const key of await redis.keys('*'))
    found.set(`Redis ${key}`, [key, ...parts(await read[await redis.type(key)]?.(key))].join('\n'));
}

/** What every user of the machine may read of the processes that descend from this one. */
async function processesOf(found: Found): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const [args, stat] = await Promise.all(
      ['cmdline', 'stat'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')),
    );
    if (args?.includes('asg') || args?.includes('redis'))
      found.set(`the arguments of ${pid} (${stat?.split(' ')[1]})`, args);
  }
}

/** A manifest behind a login. */
async function manifestServer(lines: string[]) {
  const login = `Basic ${Buffer.from(`user:${SECRETS.login}`).toString('base64')}`;
  const server = createServer((request, response) => {
    if (request.headers.authorization !== login) response.writeHead(401).end();
    else response.writeHead(200, { etag: '"v1"' }).end(`${lines.join('\n')}\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return `http://user:${SECRETS.login}@127.0.0.1:${(server.address() as AddressInfo).port}/items.jsonl?api_key=${SECRETS.query}&Policy=${SECRETS.query}&X-Amz-Signature=${SECRETS.signature}`;
}

test('no secret is anywhere: Redis and all that went through it, logs at trace, files, pages, metrics, arguments', async () => {
  const dir = await tempDir();
  const found: Found = new Map();
  const { port, server, redis: admin } = await startRedisServer(dir);
  admin.disconnect();
  const redis = new Redis({ port, host: '127.0.0.1' });
  await redis.config('SET', 'requirepass', SECRETS.redisPassword);
  const monitor = await new Redis({ port, host: '127.0.0.1', password: SECRETS.redisPassword }).monitor();
  const went: string[] = [];
  monitor.on('monitor', (_time: string, args: string[]) => went.push(args.join(' ')));
  onTestFinished(() => {
    monitor.disconnect();
    redis.disconnect();
    server.kill('SIGKILL');
  });
  const gateway = await sandbox({
    apiKeys: [SECRETS.apiKey],
    errorRate: 0.05,
    settle: { minMs: 50, maxMs: 400 },
  });
  const webhookPort = await freePort();
  const url = await manifestServer([
    ...Array.from({ length: 60 }, (_, n) => row(n)),
    'not json',
    '{"data_url":"ftp://host/file"}',
    '{"data_url":"https://images.example.org/x.jpg","type":"poetry"}',
  ]);
  const env = {
    ASG_API_KEY: SECRETS.apiKey,
    ASG_BASE_URL: gateway.url,
    ASG_WEBHOOK_SECRET: SECRETS.webhookSecret,
    ASG_METRICS_TOKEN: SECRETS.viewerToken,
    ASG_OPERATOR_TOKEN: SECRETS.operatorToken,
    ASG_ENCRYPTION_KEY: SECRETS.encryptionKey,
    AWS_ACCESS_KEY_ID: SECRETS.awsKeyId,
    AWS_SECRET_ACCESS_KEY: SECRETS.awsSecret,
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_S3: stores.s3.endpoint,
    REDIS_URL: `redis://default:${encodeURIComponent(SECRETS.redisPassword)}@127.0.0.1:${port}`,
  };
  const command = async (
    name: string,
    args: string[],
    expected: number | null,
    more: Record<string, string> = {},
  ) => {
    const { status, stdout, stderr } = await startCli(args, { cwd: dir, env: { ...env, ...more } }).exit;
    found.set(`what ${name} printed`, `${stdout}\n${stderr}`);
    if (expected !== null) expect(status, `${name}: ${stderr.slice(-2_000)}`).toBe(expected);
  };
  const task = [
    '--question',
    'Which?',
    '--options',
    'cat,dog',
    '--poll-delay',
    '100ms',
    '--poll-max-delay',
    '400ms',
  ];
  const loud = ['--log-level', 'trace', '--debug'];
  const webhook = [
    '--webhook-url',
    `http://127.0.0.1:${webhookPort}/hook`,
    '--webhook-port',
    String(webhookPort),
  ];

  const run = startCli(
    [
      ...[
        'run',
        url,
        '--run-id',
        'r',
        '--out',
        `s3://test-bucket/${stores.s3.prefix}out`,
        ...task,
        ...loud,
        ...webhook,
      ],
      ...[
        '--webhook-trust',
        '--metrics-port',
        '0',
        '--queue-board-writes',
        '--compress',
        '--part-size',
        '2KiB',
      ],
    ],
    { cwd: dir, env },
  );
  let stderr = '';
  run.child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  await until(() => /listening on (http:\S+)/.test(stderr), 'the port', 60_000);
  const board = /listening on (http:\S+)/.exec(stderr)?.[1] ?? '';
  await until(() => /r → /.test(stderr), 'the run', 60_000);
  const see = async (place: string, init: RequestInit = {}) => {
    const answer = await fetch(board + place, init).catch(() => null);
    if (answer === null) return;
    const headers = JSON.stringify([...answer.headers]);
    found.set(
      `${init.method ?? 'GET'} ${place} ${JSON.stringify(init.headers)?.length}`,
      headers + (await answer.text()),
    );
  };
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  for (const place of ['/', '/runs/r', '/metrics', '/healthz', '/queues', '/queues/api/queues'])
    for (const init of [{}, as(SECRETS.viewerToken), as(SECRETS.operatorToken)]) await see(place, init);
  const form = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' };
  for (const token of [SECRETS.operatorToken, `${SECRETS.operatorToken}wrong`])
    await see('/login', {
      method: 'POST',
      headers: form,
      body: new URLSearchParams({ token }).toString(),
      redirect: 'manual',
    });
  await see('/queues/api/queues/r%3Asubmit/pause', { method: 'PUT', ...as(SECRETS.operatorToken) });
  await see('/queues/api/queues/r%3Asubmit/resume', { method: 'PUT', ...as(SECRETS.operatorToken) });
  await processesOf(found);
  await redisOf(redis, found);
  const ended = await run.exit;
  found.set('what run printed', ended.stdout + ended.stderr);
  expect(ended.status, ended.stderr.slice(-2_000)).toBe(3);

  // The embedded Redis and the local Gateway as processes of their own, standard input, and a job with credentials.
  await writeFile(path.join(dir, 'few.jsonl'), `${[row(1), row(2), 'broken'].join('\n')}\n`);
  const { REDIS_URL: _url, ...withoutRedis } = env;
  const own = startCli(
    [
      'run',
      '-',
      '--sandbox',
      '--run-id',
      'own',
      '--data-dir',
      'data',
      '--out',
      'own',
      ...task,
      ...loud,
      ...webhook,
    ],
    { cwd: dir, env: withoutRedis, piped: true },
  );
  own.child.stdin?.write(`${row(7)}\n`);
  let ownErr = '';
  own.child.stderr?.on('data', (chunk) => {
    ownErr += chunk;
  });
  await until(() => /own → /.test(ownErr), 'the run with its own servers', 60_000);
  await processesOf(found);
  const environments = await childEnvironments(dir);
  expect(environments.length).toBeGreaterThanOrEqual(2);
  own.child.stdin?.end(`${row(8)}\n`);
  const ownEnd = await own.exit;
  found.set('what the run with its own servers printed', ownEnd.stdout + ownEnd.stderr);
  expect(ownEnd.status, ownEnd.stderr.slice(-2_000)).toBe(0);
  // What it needs itself: the key that seals, and nothing else.
  for (const [name, text] of environments)
    found.set(`the environment of ${name}`, text.replace(`ASG_ENCRYPTION_KEY=${SECRETS.encryptionKey}`, ''));

  for (const [name, args, expected] of [
    ['status', ['status', 'r', '--json'], 0],
    ['runs', ['runs'], 0],
    ['results', ['results', 'r', '--order', 'line'], 0],
    ['report', ['report', 'r'], 0],
    ['doctor', ['doctor', url], null],
    ['print-config', ['run', url, '--print-config', ...webhook], 0],
    ['account', ['account', 'me'], 0],
    ['webhook list', ['webhook', 'list', '--json'], 0],
    ['retry', ['retry', 'r'], 3],
  ] as const)
    await command(name, [...args, ...(name === 'print-config' ? [] : loud)], expected);
  await command('a refused key', ['task', 'get', 'tsk_1', ...loud], 1, {
    ASG_API_KEY: `${SECRETS.apiKey}wrong`,
  });
  await command('a key that is none', ['task', 'get', 'tsk_1', ...loud], 2, {
    ASG_API_KEY: `${SECRETS.apiKey} x`,
  });
  await command('a Redis that is none', ['runs', ...loud], 2, {
    REDIS_URL: `ftp://u:${SECRETS.redisPassword}@h`,
  });
  await command('a Redis that refuses', ['doctor', ...loud], null, {
    REDIS_URL: `redis://u:${SECRETS.redisPassword}wrong@127.0.0.1:${port}`,
  });
  await command(
    'a job',
    ['job', 'create', stores.s3.uri('few.jsonl'), '--credentials-from', 'env', ...task.slice(0, 4), ...loud],
    0,
    {
      AWS_ACCESS_KEY_ID: SECRETS.jobKeyId,
      AWS_SECRET_ACCESS_KEY: SECRETS.jobSecret,
    },
  );
  await redisOf(redis, found);
  found.set('all that went through Redis', went.join('\n'));
  await filesOf(dir, found);
  for (const key of await stores.s3.keys()) found.set(`the object ${key}`, key);
  expect(went.length).toBeGreaterThan(500);
  expect([...found.keys()].filter((place) => place.startsWith('Redis ')).length).toBeGreaterThan(5);
  expect([...found.keys()].filter((place) => place.startsWith('the file ')).length).toBeGreaterThan(10);
  // The scan itself: it would see each of them.
  for (const [name, secret] of Object.entries(SECRETS))
    for (const form of formsOf(secret))
      expect(leaks(new Map([['here', `x${form}y`]])), form).toContain(`${name} in here`);
  expect(leaks(found)).toEqual([]);
}, 900_000);

/** Of the servers that belong to a data directory. */
async function childEnvironments(dir: string): Promise<[string, string][]> {
  const all: [string, string][] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const args = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
    if (!args.includes(path.join(dir, 'data'))) continue;
    if (!/redis-server|valkey-server|sandbox\/main|asg-ingest-guard/.test(args)) continue;
    all.push([args.split('\0')[0] ?? '', await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')]);
  }
  return all;
}
