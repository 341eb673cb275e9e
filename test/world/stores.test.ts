import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { doctor } from '../../src/cli/commands/doctor.js';
import { createObjectStores } from '../../src/lib/object-stores/index.js';
import { openManifest, readLines } from '../../src/manifest/index.js';
import { callMain } from '../cli/harness.js';
import { serve } from '../manifest/helpers.js';
import { API_KEY } from '../pipeline/harness.js';
import { type S3Like, startS3Like } from './s3-like.js';
import { jsonl, world } from './world.js';

Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
delete process.env.AWS_REGION;

type Refuse = S3Like['refuse'];

async function runTo(out: string, refuse: Refuse, more: { args?: string[] } = {}) {
  const w = await world();
  const s3 = await startS3Like();
  s3.refuse = refuse;
  await writeFile(path.join(w.dir, 'm.jsonl'), jsonl(3));
  const args = ['--out', out, ...(more.args ?? [])];
  return { ...w, s3, exit: await w.call('m.jsonl', { args, env: { AWS_ENDPOINT_URL_S3: s3.url } }) };
}

test('a store that knows no checksum headers takes results; doctor says what it answers', async () => {
  // As B2, OVH and older Ceph and MinIO do.
  const refuse: Refuse = ({ headers }) =>
    Object.keys(headers).some((name) => /^x-amz-(checksum|sdk-checksum|trailer)/.test(name)) ||
    /aws-chunked/.test(String(headers['content-encoding']))
      ? {
          status: 501,
          code: 'NotImplemented',
          message: 'A header you provided implies functionality that is not implemented.',
        }
      : null;
  const { exit, dir, settings, s3 } = await runTo('s3://bucket/older', refuse);
  expect(exit, exit.stderr).toMatchObject({ status: 0 });
  const env = { ...settings, ASG_API_KEY: API_KEY, AWS_ENDPOINT_URL_S3: s3.url };
  const { stdout } = await callMain(['doctor', '--out', 's3://bucket/older'], { doctor }, { cwd: dir, env });
  expect(stdout).toContain('ok   checksum headers: the store refuses them');
});

test('what a store says of a refusal is passed on, and its own words with it', async () => {
  const refuse: Refuse = ({ method }) =>
    method === 'PUT'
      ? { status: 400, code: 'InvalidArgument', message: 'This store has run out of patience.' }
      : null;
  const { exit, gateway } = await runTo('s3://bucket/words', refuse);
  expect(exit).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('InvalidArgument: This store has run out of patience.'),
  });
  expect(gateway.stats().tasks).toBe(0);
});

test('a bucket whose users pay: a hint without --requester-pays, a run with it', async () => {
  const refuse: Refuse = ({ headers }) =>
    headers['x-amz-request-payer'] === 'requester'
      ? null
      : { status: 403, code: 'AccessDenied', message: 'Access Denied' };
  const { exit } = await runTo('s3://bucket/pays', refuse);
  expect(exit).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/access is denied[\s\S]*--requester-pays/),
  });
  const paying = await runTo('s3://bucket/pays2', refuse, { args: ['--requester-pays'] });
  expect(paying.exit, paying.exit.stderr).toMatchObject({ status: 0 });
});

describe('a bucket of another region', () => {
  const elsewhere = (status: number) => (asked: IncomingMessage) =>
    /\/eu-west-3\/s3\//.test(String(asked.headers.authorization))
      ? null
      : {
          status,
          code: status === 301 ? 'PermanentRedirect' : 'TemporaryRedirect',
          message: 'The bucket is elsewhere.',
          headers: { 'x-amz-bucket-region': 'eu-west-3' },
        };

  test('301: followed', async () => {
    const refuse: Refuse = elsewhere(301);
    const { exit } = await runTo('s3://bucket/region', refuse);
    expect(exit, exit.stderr).toMatchObject({ status: 0 });
  });

  test('307: the message names the region', async () => {
    const refuse: Refuse = elsewhere(307);
    const { exit } = await runTo('s3://bucket/region2', refuse);
    expect(exit).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/region eu-west-3[\s\S]*AWS_REGION=eu-west-3/),
    });
  });
});

test('an empty variable is none', async () => {
  const { start, dir } = await world();
  await writeFile(path.join(dir, 'm.jsonl'), jsonl(2));
  const empty = [
    'AWS_ENDPOINT_URL_S3',
    'AWS_ENDPOINT_URL',
    'AWS_REGION',
    'STORAGE_EMULATOR_HOST',
    'AWS_PROFILE',
  ];
  const unset = [
    'ASG_OUT',
    'ASG_RATE',
    'HTTPS_PROXY',
    'HTTP_PROXY',
    'NODE_EXTRA_CA_CERTS',
    'ASG_CA',
    'ASG_CONFIG',
  ];
  const env = Object.fromEntries([...empty, ...unset].map((name) => [name, '']));
  const args = [
    'run',
    'm.jsonl',
    '--question',
    'Which?',
    '--options',
    'a,b',
    '--poll-delay',
    '50ms',
    '--quiet',
  ];
  const exit = await start(args, { env }).exit;
  expect(exit, exit.stderr).toMatchObject({ status: 0 });
  // Not "Invalid URL": without an endpoint and a region the SDK asks for a region.
  const aws = { ...env, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
  const s3Exit = await start(['run', 's3://bucket/m.jsonl', ...args.slice(2)], { env: aws }).exit;
  expect(s3Exit).toMatchObject({ status: 2, stderr: expect.stringContaining('AWS_REGION') });
});

test.each([false, true])(
  'a gzip object in Google Cloud Storage, by a server that unpacks on the way: %s',
  async (unpacks) => {
    const text = jsonl(2_000);
    const stored = gzipSync(text);
    const url = await serve((request, response) => {
      const asked = new URL(request.url ?? '', 'http://x');
      if (asked.searchParams.get('alt') !== 'media')
        return void response.writeHead(200, { 'content-type': 'application/json' }).end(
          JSON.stringify({
            name: 'm.jsonl',
            bucket: 'b',
            generation: '7',
            size: `${stored.length}`,
            contentEncoding: 'gzip',
          }),
        );
      const kept = {
        'x-goog-stored-content-encoding': 'gzip',
        'x-goog-stored-content-length': `${stored.length}`,
      };
      if (unpacks) return void response.writeHead(200, kept).end(gunzipSync(stored));
      const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
      const from = Number(range?.[1] ?? 0);
      const body = stored.subarray(from, range?.[2] ? Number(range[2]) + 1 : stored.length);
      response.writeHead(range ? 206 : 200, { ...kept, 'content-encoding': 'gzip' }).end(body);
    });
    const objectStores = createObjectStores({ gcsEndpoint: url });
    onTestFinished(() => objectStores.close());
    const { sources } = await openManifest('gs://b/m.jsonl', { objectStores });
    const [source] = sources;
    if (source === undefined) throw new Error('no source');
    expect(source).toMatchObject(
      unpacks ? { compression: null, size: null, seekable: false } : { compression: 'gzip' },
    );
    const lines: (string | null)[] = [];
    for await (const batch of readLines(source, { line: 0, offset: 0 }, { objectStores }))
      lines.push(...batch.map((raw) => raw.text));
    expect(lines.join('\n')).toBe(text.trimEnd());
  },
);
