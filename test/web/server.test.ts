import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { Secret } from '../../src/config/secret.js';
import { serveHttp } from '../../src/web/serve.js';
import { type HttpPart, openHttpServer } from '../../src/web/server.js';
import { pipelineTo } from '../pipeline/harness.js';

const NOWHERE = 'http://127.0.0.1:1';
const log = pino({ level: 'silent' });

async function open(options: { parts?: HttpPart[] } = {}) {
  const { parts = [] } = options;
  const server = await openHttpServer({ host: '127.0.0.1', port: 0, access: null, log, parts });
  onTestFinished(() => server.close());
  return server;
}

const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });

test('probes: alive, ready, and not ready once the process drains', async () => {
  const stop = new AbortController();
  const settings = { metricsPort: 0, metricsHost: '127.0.0.1' };
  const server = await serveHttp(await pipelineTo(NOWHERE), settings, stop.signal);
  onTestFinished(() => server?.close());
  const get = async (path: string) => {
    const response = await fetch(`${server?.url}${path}`);
    return [response.status, await response.text()];
  };
  expect(await get('/healthz')).toEqual([200, 'ok\n']);
  expect(await get('/readyz')).toEqual([200, 'ready\n']);
  expect((await get('/metrics'))[1]).toContain('asg_ingest_gateway_rate_limit ');
  expect(await get('/no-such-page')).toEqual([404, 'not found\n']);
  stop.abort();
  expect(await get('/readyz')).toEqual([503, 'draining\n']);
  expect(await get('/healthz')).toEqual([200, 'ok\n']);
});

test('a token guards the whole port but the probes', async () => {
  const settings = { metricsPort: 0, metricsHost: '127.0.0.1', metricsToken: new Secret('t0ken:with') };
  const server = await serveHttp(await pipelineTo(NOWHERE), settings, new AbortController().signal);
  onTestFinished(() => server?.close());
  const status = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(`${server?.url}${path}`, { headers })).status;
  for (const path of ['/metrics', '/', '/no-such-page']) expect(await status(path), path).toBe(401);
  expect(await status('/healthz')).toBe(200);
  expect(await status('/readyz')).toBe(200);
  expect(await status('/metrics', { authorization: 'Bearer t0ken:with' })).toBe(200);
  expect(await status('/metrics', basic('prometheus:t0ken:with'))).toBe(200);
  for (const wrong of [{ authorization: 'Bearer t0ken' }, basic('t0ken:with'), basic('t0ken:with:')])
    expect(await status('/metrics', wrong), wrong.authorization).toBe(401);
});

test('a part that fails answers 503 without its error, and an address in use is a usage error', async () => {
  const failing: HttpPart = (app) =>
    app.get('/broken', async () => {
      throw new Error('redis://:secret@host');
    });
  const { url } = await open({ parts: [failing] });
  const response = await fetch(`${url}/broken`);
  expect([response.status, await response.text()]).toEqual([503, 'not available now\n']);
  const port = Number(new URL(url).port);
  await expect(
    openHttpServer({ host: '127.0.0.1', port, access: null, log, parts: [] }),
  ).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('--metrics-port'),
  });
});

test('plain text and OpenMetrics, in any order', async () => {
  const settings = { metricsPort: 0, metricsHost: '127.0.0.1' };
  const server = await serveHttp(await pipelineTo(NOWHERE), settings, new AbortController().signal);
  onTestFinished(() => server?.close());
  const scrape = async (accept: string) => {
    const response = await fetch(`${server?.url}/metrics`, { headers: { accept } });
    return { type: response.headers.get('content-type') ?? '', text: await response.text() };
  };
  const open = await scrape('application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5');
  expect(open.type).toContain('application/openmetrics-text');
  expect(open.text).toContain(
    '# TYPE asg_ingest_polls counter\nasg_ingest_polls_total{outcome="pending"} 0\n',
  );
  expect(open.text).toMatch(/\n# EOF\n$/);
  const plain = await scrape('text/plain');
  expect(plain.type).toContain('text/plain; version=0.0.4');
  expect(plain.text).toContain(
    '# TYPE asg_ingest_polls_total counter\nasg_ingest_polls_total{outcome="pending"} 0\n',
  );
});
