import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { serve } from '../manifest/helpers.js';
import { boughtTasks } from '../pipeline/harness.js';
import { startGcsServer } from '../setup/gcs-server.js';
import { startProxy } from './proxy.js';
import { startS3Like } from './s3-like.js';
import { overTls } from './servers.js';
import { jsonl, world } from './world.js';

const ASKED = ['--question', 'Which?', '--options', 'a,b', '--poll-delay', '50ms', '--quiet'];

test('HTTP_PROXY: the Gateway and an http manifest are asked by it; an empty variable is none; NO_PROXY outranks', async () => {
  const { start, gateway, dir } = await world();
  const files = await serve((_request, response) => void response.end(jsonl(6)));
  const proxy = await startProxy({ 'gateway.invalid': gateway.url, 'files.invalid': files });
  const run = (env: Record<string, string>, spec = 'http://files.invalid/m.jsonl?key=1') =>
    start(['run', spec, ...ASKED], { env: { ASG_BASE_URL: 'http://gateway.invalid', ...env } }).exit;
  const by = await run({ HTTP_PROXY: proxy.url, NO_PROXY: '', http_proxy: '' });
  expect(by, by.stderr).toMatchObject({ status: 0 });
  expect((await boughtTasks(gateway.url)).length).toBe(6);
  expect(new Set(proxy.asked)).toEqual(
    new Set(['GET http://files.invalid', 'POST http://gateway.invalid', 'GET http://gateway.invalid']),
  );
  proxy.asked.length = 0;
  await writeFile(path.join(dir, 'm.jsonl'), jsonl(2));
  const around = await run(
    { http_proxy: proxy.url, NO_PROXY: '127.0.0.1', ASG_BASE_URL: gateway.url },
    'm.jsonl',
  );
  expect(around, around.stderr).toMatchObject({ status: 0 });
  expect(proxy.asked).toEqual([]);
  const doctor = await start(['doctor', 'http://files.invalid/m.jsonl'], {
    env: { ASG_BASE_URL: 'http://gateway.invalid', http_proxy: proxy.url.replace('//', '//user:secret@') },
  }).exit;
  expect(doctor.stdout).toContain(`ok   way to the Gateway: by the proxy ${proxy.url}`);
  expect(doctor.stdout).toContain(`ok   way to the manifest: by the proxy ${proxy.url}`);
  expect(doctor.stdout).toContain('ok   first lines: 6 looked at, all good');
  expect(doctor.stdout).not.toContain('secret');
});

test('HTTPS_PROXY: a tunnel to the Gateway, whose certificate is checked, and one for notices', async () => {
  const { start, gateway, dir } = await world();
  const { url, ca } = await overTls(gateway.url);
  const target = url.replace('localhost', '127.0.0.1');
  const proxy = await startProxy({ 'gateway.invalid': target, 'notices.invalid': target });
  await writeFile(path.join(dir, 'm.jsonl'), jsonl(4));
  const env = {
    ...{ ASG_BASE_URL: 'https://gateway.invalid', https_proxy: proxy.url, NODE_EXTRA_CA_CERTS: ca },
    ...{ ASG_NOTIFY_URL: 'https://notices.invalid/hook', ASG_NOTIFY_SECRET: 's' },
  };
  const exit = await start(['run', 'm.jsonl', ...ASKED], { env }).exit;
  expect(exit, exit.stderr).toMatchObject({ status: 0 });
  expect(proxy.asked.length).toBeGreaterThan(0);
  expect(new Set(proxy.asked)).toEqual(
    new Set(['CONNECT gateway.invalid:443', 'CONNECT notices.invalid:443']),
  );
});

test('a local Gateway is never asked by a proxy', async () => {
  const { start, dir } = await world();
  const proxy = await startProxy({});
  await writeFile(path.join(dir, 'm.jsonl'), jsonl(3));
  const args = ['run', 'm.jsonl', '--sandbox', '--sandbox-settle', '0..50ms', ...ASKED];
  const exit = await start(args, { env: { HTTP_PROXY: proxy.url, http_proxy: proxy.url } }).exit;
  expect(exit, exit.stderr).toMatchObject({ status: 0 });
  expect(proxy.asked).toEqual([]);
});

test('S3 and Google Cloud Storage are asked by the proxy', async () => {
  const [s3, gcs] = await Promise.all([startS3Like(), startGcsServer(['bucket'])]);
  onTestFinished(gcs.close);
  s3.objects.set('bucket/m.jsonl', Buffer.from(jsonl(4)));
  const { start, gateway } = await world();
  const proxy = await startProxy({ 's3.invalid': s3.url, 'gcs.invalid': gcs.endpoint });
  const env = {
    ...{ HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    ...{ AWS_ENDPOINT_URL_S3: 'http://s3.invalid' },
  };
  const exit = await start(
    [
      'run',
      's3://bucket/m.jsonl',
      '--out',
      'gs://bucket/out',
      '--gcs-endpoint',
      'http://gcs.invalid',
      ...ASKED,
    ],
    { env },
  ).exit;
  expect(exit, exit.stderr).toMatchObject({ status: 0 });
  expect((await boughtTasks(gateway.url)).length).toBe(4);
  expect(proxy.asked).toContain('GET http://s3.invalid');
  expect(proxy.asked).toContain('POST http://gcs.invalid');
});
