import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { expect, onTestFinished, test, vi } from 'vitest';
import { run } from '../../src/cli/commands/run.js';
import { Secret } from '../../src/config/secret.js';
import { hostNameOf } from '../../src/lib/net/hosts.js';
import { createAccess } from '../../src/web/access.js';
import { type ServeSettings, serveHttp } from '../../src/web/serve.js';
import { callMain } from '../cli/harness.js';
import { pipelineTo, tempDir } from '../pipeline/harness.js';

const VIEWER = 'a-viewer-token';
const OPERATOR = 'an-operator-token';

async function open(settings: Partial<ServeSettings> = {}) {
  const server = await serveHttp(
    await pipelineTo('http://127.0.0.1:1'),
    { metricsPort: 0, metricsHost: '127.0.0.1', ...settings },
    new AbortController().signal,
  );
  onTestFinished(() => server?.close());
  const url = server?.url ?? '';
  const port = Number(new URL(url).port);
  /** Not by fetch, which sets Host, Origin and Cookie itself. */
  async function call(path: string, headers: Record<string, string> = {}, post?: string) {
    const sent = httpRequest({
      port,
      host: '127.0.0.1',
      path,
      headers,
      method: post === undefined ? 'GET' : 'POST',
    });
    sent.end(post);
    const [answer] = await once(sent, 'response');
    let text = '';
    for await (const chunk of answer) text += chunk;
    return { status: answer.statusCode as number, headers: answer.headers as Record<string, string>, text };
  }
  const login = (form: Record<string, string>, headers: Record<string, string> = {}) =>
    call(
      '/login',
      { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      new URLSearchParams(form).toString(),
    );
  return { url, port, call, login };
}

const GUARDED = ['/', '/runs/r', '/metrics', '/queues', '/queues/api/queues', '/no-such-page'];

test('without a token: by names of its own alone, so that no name that was made to lead here reads anything', async () => {
  const { call, port } = await open({ metricsAllowHost: ['metrics.internal', 'board.example:8443'] });
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.1.2.3',
  ])
    for (const path of GUARDED) {
      const { status, text } = await call(path, { host });
      expect([status, text], `${host} ${path}`).toEqual([
        403,
        expect.stringContaining('--metrics-allow-host'),
      ]);
    }
  for (const host of [
    'localhost',
    `LocalHost:${port}`,
    'a.localhost',
    `127.0.0.1:${port}`,
    '[::1]',
    'metrics.internal:1',
    'board.example',
    'board.example.',
  ])
    expect((await call('/', { host })).status, host).toBe(200);
  expect((await call('/healthz', { host: 'evil.example' })).status).toBe(200);
});

test('the address that a connection comes in on is a name of its own, as scrapers of pods use it', () => {
  const access = createAccess({ viewerToken: null, operatorToken: null, allowHosts: [] });
  const judge = (host: string, localAddress: string) =>
    access.judge({ headers: { host }, socket: { localAddress } } as Parameters<typeof access.judge>[0]);
  expect(judge('10.1.2.3:9464', '::ffff:10.1.2.3')).toEqual({ role: 'viewer', by: 'open' });
  expect(judge('[fd00::2]:9464', 'fd00::2')).toEqual({ role: 'viewer', by: 'open' });
  expect(judge('10.1.2.4:9464', '10.1.2.3')).toBe('host');
  for (const odd of ['a@localhost', 'localhost/x', 'localhost?x', 'exa mple', ':80'])
    expect(hostNameOf(odd), odd).toBeNull();
});

test('with a token: every page, the board and the metrics want it, whatever the name', async () => {
  const { call } = await open({ metricsToken: new Secret(VIEWER), operatorToken: new Secret(OPERATOR) });
  for (const path of GUARDED) {
    const plain = await call(path);
    expect([plain.status, plain.text], path).toEqual([401, expect.stringContaining('Authorization: Bearer')]);
    const page = await call(path, { accept: 'text/html,*/*', host: 'board.example' });
    expect([page.status, page.headers['content-type'], page.text], path).toEqual([
      401,
      'text/html; charset=utf-8',
      expect.stringContaining('type="password"'),
    ]);
    expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'");
  }
  for (const token of [VIEWER, OPERATOR])
    expect((await call('/', { authorization: `Bearer ${token}`, host: 'board.example' })).status).toBe(200);
  // The operator's token alone closes the port, too.
  const alone = await open({ operatorToken: new Secret(OPERATOR) });
  expect((await alone.call('/')).status).toBe(401);
});

test('a login gives a session: HttpOnly, SameSite=Strict, for its role, until it ends or is changed', async () => {
  const { call, login, port } = await open({
    metricsToken: new Secret(VIEWER),
    operatorToken: new Secret(OPERATOR),
    queueBoardWrites: true,
  });
  const wrong = await login({ token: 'wrong', next: '/queues' });
  expect([wrong.status, wrong.headers['set-cookie']]).toEqual([401, undefined]);
  const logged = await login({ token: VIEWER, next: '/queues?page=1' });
  expect([logged.status, logged.headers.location]).toEqual([303, './queues?page=1']);
  const [set = ''] = logged.headers['set-cookie'] ?? [];
  expect(set).toMatch(/^asg_ingest_session=[^;]+; Path=\/; HttpOnly; SameSite=Strict$/);
  expect(set).not.toContain(VIEWER);
  const cookie = set.split(';')[0] ?? '';
  expect((await call('/', { cookie: `other=1; ${cookie}` })).status).toBe(200);
  for (const forged of [
    cookie.replace('viewer', 'operator'),
    cookie.replace(/\.\d+\./, '.99999999999.'),
    `${cookie}x`,
    'asg_ingest_session=viewer.99999999999.',
    'asg_ingest_session=',
  ])
    expect((await call('/', { cookie: forged })).status, forged).toBe(401);
  // Another site cannot log a browser in, nor lead it away after a login.
  expect((await login({ token: VIEWER }, { origin: 'https://evil.example' })).status).toBe(403);
  expect((await login({ token: VIEWER }, { origin: `http://127.0.0.1:${port}` })).status).toBe(303);
  for (const next of [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/queues\\..\\..\\evil.example',
    'javascript:alert(1)',
    '/\r\nset-cookie: a=b',
  ])
    expect((await login({ token: VIEWER, next })).headers.location, next).toBe('./');
  const [secure = ''] =
    (await login({ token: VIEWER }, { 'x-forwarded-proto': 'https' })).headers['set-cookie'] ?? [];
  expect(secure).toMatch(/; Secure$/);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 13 * 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
  expect((await call('/', { cookie })).status).toBe(401);
});

test('a form that is too large, or none, is refused', async () => {
  const { call, login } = await open({ metricsToken: new Secret(VIEWER) });
  expect((await login({ token: 'x'.repeat(5_000) })).status).toBe(413);
  expect((await call('/login', { 'content-type': 'application/json' }, '{}')).status).toBe(415);
});

test('a board with writes does not start without the token of an operator', async () => {
  const argv = ['run', 'items.jsonl', '--queue-board-writes', '--sandbox'];
  const { status, stderr } = await callMain(argv, { run }, { env: {}, cwd: await tempDir() });
  expect([status, stderr]).toEqual([
    2,
    expect.stringContaining('--queue-board-writes: needs ASG_OPERATOR_TOKEN'),
  ]);
});
