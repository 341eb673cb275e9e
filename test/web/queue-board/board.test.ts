import { expect, onTestFinished, test } from 'vitest';
import { Secret } from '../../../src/config/secret.js';
import { createLogger } from '../../../src/lib/logging.js';
import { encodeChunk } from '../../../src/queues/chunk.js';
import { openQueues } from '../../../src/queues/queues.js';
import { runKeys, runsIndexKey } from '../../../src/runs/keys.js';
import { serveHttp } from '../../../src/web/serve.js';
import { pipelineTo, until } from '../../pipeline/harness.js';

const TOKEN = 'board-token';
const OPERATOR = 'board-operator';

interface Listed {
  queues: { name: string; readOnlyMode: boolean; counts: { waiting: number; failed: number } }[];
}

/** A port with the board, and runs on record to put jobs into. */
async function open({ writes = false } = {}) {
  const written: string[] = [];
  const log = createLogger({ level: 'silent', destination: { write: (line) => void written.push(line) } });
  const logged = () => written.map((line) => JSON.parse(line) as Record<string, unknown>);
  const pipeline = { ...(await pipelineTo('http://127.0.0.1:1')), log };
  const { redis, prefix } = pipeline;
  const server = await serveHttp(
    pipeline,
    {
      metricsPort: 0,
      metricsHost: '127.0.0.1',
      metricsToken: new Secret(TOKEN),
      operatorToken: new Secret(OPERATOR),
      queueBoardWrites: writes,
    },
    new AbortController().signal,
  );
  onTestFinished(() => server?.close());
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`${server?.url}/queues${path}`, {
      ...init,
      headers: { authorization: `Bearer ${TOKEN}`, ...init.headers },
    });
  let age = 0;
  const addRun = async (id: string) => {
    age += 1;
    await redis.zadd(runsIndexKey(prefix), age, id);
    const queues = openQueues(runKeys(prefix, id), pipeline.connection, () => undefined);
    onTestFinished(() => queues.close());
    return queues;
  };
  const listed = async (query = '') => (await (await call(`/api/queues${query}`)).json()) as Listed;
  const names = async () => (await listed()).queues.map(({ name }) => name);
  return { pipeline, url: server?.url ?? '', logged, call, addRun, listed, names };
}

const url = 'https://bucket.example.org/1.jpg?X-Amz-Signature=abc';
const job = encodeChunk(0, [{ line: 1, text: JSON.stringify({ data_url: url }) }]);

test('the queues of the runs on record, as they come and go; a pruned run leaves nothing', async () => {
  const { pipeline, addRun, names, listed } = await open();
  const { redis, prefix } = pipeline;
  const first = await addRun('first');
  await first.submit.add('line', job, { jobId: '0-1' });
  await addRun('second.2');
  expect(new Set(await names())).toEqual(
    new Set(
      ['first', 'second.2'].flatMap((run) => ['submit', 'poll', 'flush'].map((queue) => `${run}:${queue}`)),
    ),
  );
  const shown = (await listed()).queues.find(({ name }) => name === 'first:submit');
  expect(shown).toMatchObject({ readOnlyMode: true, counts: { waiting: 1 } });

  await redis.zrem(runsIndexKey(prefix), 'first');
  await redis.del(...(await redis.keys(`{${prefix}:first}*`)));
  await until(async () => !(await names()).includes('first:submit'), 'the pruned run is off the board');
  expect(await names()).toHaveLength(3);
  expect(await redis.keys(`{${prefix}:first}*`)).toEqual([]);
});

test('read-only unless enabled: nothing is retried, cleaned, paused, added or changed', async () => {
  const { call, addRun, listed } = await open();
  const { submit } = await addRun('run');
  await submit.add('line', job, { jobId: '0-1' });
  const queue = `/api/queues/${encodeURIComponent('run:submit')}`;
  for (const [method, path] of [
    ['PUT', '/api/queues/pause'],
    ['PUT', `${queue}/pause`],
    ['PUT', `${queue}/retry/failed`],
    ['PUT', `${queue}/clean/waiting`],
    ['PUT', `${queue}/obliterate`],
    ['PUT', `${queue}/0-1/clean`],
    ['POST', `${queue}/add`],
    ['PATCH', `${queue}/0-1/update-data`],
    ['DELETE', queue],
  ] as const)
    expect((await call(path, { method })).status, `${method} ${path}`).toBe(405);
  expect(await submit.isPaused()).toBe(false);
  expect((await listed()).queues[0]?.counts.waiting).toBe(1);
});

test('with writes: pause, resume and remove, but job data stay, and other sites are refused', async () => {
  const { call, addRun, url, logged } = await open({ writes: true });
  const { submit } = await addRun('run');
  await submit.add('line', job, { jobId: '0-1' });
  const queue = `/api/queues/${encodeURIComponent('run:submit')}`;
  await call('/api/queues');
  const put = async (path: string, headers = {}) =>
    (await call(path, { method: 'PUT', headers: { authorization: `Bearer ${OPERATOR}`, ...headers } }))
      .status;
  const other = { origin: `http://127.0.0.1:${Number(new URL(url).port) + 1}` };
  for (const headers of [
    { authorization: `Bearer ${TOKEN}` },
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'null' },
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-origin', ...other },
  ])
    expect(await put(`${queue}/pause`, headers), JSON.stringify(headers)).toBe(403);
  expect(await submit.isPaused()).toBe(false);
  expect(logged().filter((line) => line.msg === 'board write refused' && line.audit === true)).toHaveLength(
    5,
  );
  expect(await put(`${queue}/pause`, { 'sec-fetch-site': 'same-origin', origin: url })).toBe(200);
  expect(await submit.isPaused()).toBe(true);
  expect(await put(`${queue}/resume`)).toBe(200);
  await until(
    () => logged().filter(({ msg }) => msg === 'board write answered').length === 2,
    'the audit log',
  );
  expect(logged().filter(({ msg }) => msg === 'board write')).toMatchObject([
    {
      audit: true,
      role: 'operator',
      by: 'bearer',
      from: '127.0.0.1',
      method: 'PUT',
      path: `/queues${queue}/pause`,
    },
    { path: `/queues${queue}/resume` },
  ]);
  expect((await call(`${queue}/0-1/update-data`, { method: 'PATCH', body: '{}' })).status).toBe(405);
  expect((await submit.getJob('0-1'))?.data).toEqual(job);
  expect(await put(`${queue}/0-1/clean`)).toBeLessThan(300);
  expect(await submit.getJob('0-1')).toBeUndefined();
});

test('a job is shown without the signature of its URL; nothing is shown without the token', async () => {
  const { call, addRun, url } = await open();
  const { submit } = await addRun('run');
  await submit.add('line', job, { jobId: '0-1' });
  const name = encodeURIComponent('run:submit');
  for (const path of [
    `/api/queues/${name}/0-1`,
    `/api/queues?activeQueue=${name}&status=waiting&page=1&jobsPerPage=10`,
  ]) {
    const response = await call(path);
    const text = await response.text();
    expect([response.status, text]).toEqual([
      200,
      expect.stringContaining('https://bucket.example.org/1.jpg'),
    ]);
    expect(text).not.toContain('abc');
  }
  for (const path of ['/queues', '/queues/api/queues', '/queues/static/css/none.css'])
    expect((await fetch(`${url}${path}`)).status, path).toBe(401);
});

test('the page is the board of this port and loads its own files alone', async () => {
  const { call } = await open();
  const response = await call('');
  const page = await response.text();
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(page).toContain('<base href="/queues/" />');
  const script = /src="(static\/js\/main[^"]+)"/.exec(page)?.[1];
  expect((await call(`/${script}`)).headers.get('content-type')).toContain('javascript');
});
