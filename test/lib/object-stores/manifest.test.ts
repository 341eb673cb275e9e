import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createObjectStores } from '../../../src/lib/object-stores/index.js';
import {
  openManifest,
  type Position,
  type RawLine,
  readLines,
  type Source,
} from '../../../src/manifest/index.js';
import { randomFrom } from '../../../src/sandbox/random.js';
import { tempFolder } from '../../manifest/helpers.js';
import { asksForBytes, BUCKET, type TestStore, testStores } from './stores.js';

const LINES = Array.from(
  { length: 20_000 },
  (_, n) => `{"data_url":"https://x.example/${n}","pad":"${'x'.repeat(n % 60)}"}`,
);
const CONTENT = `${LINES.join('\n')}\n`;
const stores = testStores();

async function only(store: TestStore, key: string): Promise<Source> {
  const { sources } = await openManifest(store.uri(key), { objectStores: store.stores });
  const [source] = sources;
  if (source === undefined || sources.length > 1) throw new Error(`${sources.length} sources`);
  return source;
}

async function lines(
  store: TestStore,
  source: Source,
  from: Position = { line: 0, offset: 0 },
): Promise<RawLine[]> {
  const all: RawLine[] = [];
  for await (const batch of readLines(source, from, { objectStores: store.stores })) all.push(...batch);
  return all;
}

const failing = (store: TestStore, spec: string) =>
  openManifest(spec, { objectStores: store.stores }).then(
    () => null,
    (error: unknown) => error,
  );

describe.each(['s3', 'gs'] as const)('%s', (scheme) => {
  test('connections that break and servers that are busy repeat and skip no byte', async () => {
    const store = stores[scheme];
    await store.put('items.jsonl', CONTENT);
    const random = randomFrom('resets');
    let bytes = 0;
    store.proxy.fault = (request) => {
      if (!asksForBytes(request)) return null;
      bytes += 1;
      if (bytes % 3 === 0) return { status: 503, body: '<Error><Code>SlowDown</Code></Error>' };
      if (bytes > 12) return null;
      const at = 1 + Math.floor(random() * 200_000);
      return bytes % 2 === 0 ? { resetAt: at } : { endAt: at };
    };
    const source = await only(store, 'items.jsonl');
    expect(source).toMatchObject({
      name: 'items.jsonl',
      size: CONTENT.length,
      seekable: true,
      compression: null,
    });
    const all = await lines(store, source);
    expect(all.map(({ text }) => text)).toEqual(LINES);
    expect(bytes).toBeGreaterThan(5);
    store.proxy.fault = () => null;
    const at = all[15_000];
    if (at === undefined) throw new Error('no line');
    const before = store.proxy.bytes;
    expect(await lines(store, source, { line: at.line, offset: at.end })).toEqual(all.slice(15_001));
    expect(store.proxy.bytes - before).toBe(CONTENT.length - at.end);
  });

  test('a prefix takes all objects under it in name order, packed or not, and passes over what is no manifest', async () => {
    const store = stores[scheme];
    await store.put('in/b.jsonl', '{"n":3}\n');
    await store.put('in/a.jsonl.gz', gzipSync('{"n":1}\n{"n":2}'));
    await store.put('in/deep/é c.jsonl', '{"n":4}');
    await store.put('in/_SUCCESS', '');
    await store.put('in/.asg-ingest.json', '{}');
    await store.put('in2.jsonl', '{"n":9}');
    const names = async (spec: string) =>
      (await openManifest(spec, { objectStores: store.stores })).sources.map(({ name }) => name);
    expect(await names(store.uri('in/'))).toEqual(['a.jsonl.gz', 'b.jsonl', 'deep/é c.jsonl']);
    expect(await names(store.uri('in*'))).toEqual([
      'in/a.jsonl.gz',
      'in/b.jsonl',
      'in/deep/é c.jsonl',
      'in2.jsonl',
    ]);
    expect(await names(store.uri('in/*.jsonl'))).toEqual(['b.jsonl']);
    const manifest = await openManifest(store.uri('in/'), { objectStores: store.stores });
    const texts = [];
    for (const source of manifest.sources)
      texts.push(...(await lines(store, source)).map(({ text }) => text));
    expect(texts).toEqual(['{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}']);
    const version = manifest.version;
    await store.put('in/b.jsonl', '{"n":5}\n');
    expect((await openManifest(store.uri('in/'), { objectStores: store.stores })).version).not.toBe(version);
  });

  test('a prefix is opened by its list alone; an object is looked at when it is read', async () => {
    const store = stores[scheme];
    const names = Array.from({ length: 40 }, (_, n) => `many/${String(n).padStart(2, '0')}.jsonl`);
    for (const name of names) await store.put(name, '{"n":1}\n');
    let [requests, ofObjects] = [0, 0];
    store.proxy.fault = (request) => {
      requests += 1;
      if (asksForBytes(request)) ofObjects += 1;
      return null;
    };
    const { sources, bytes } = await openManifest(store.uri('many/'), { objectStores: store.stores });
    expect([sources.length, bytes, ofObjects]).toEqual([40, 320, 0]);
    expect(requests).toBeLessThan(5);
    const [first, second] = sources;
    if (first === undefined || second === undefined) throw new Error('no sources');
    expect((await lines(store, first)).map(({ text }) => text)).toEqual(['{"n":1}']);
    await store.put(names[1] ?? '', '{"n":2}\n');
    await expect(lines(store, second)).rejects.toMatchObject({ code: 'source_changed' });
    await store.store.remove({ bucket: BUCKET, key: `${store.prefix}${names[1]}` });
    await expect(lines(store, second)).rejects.toMatchObject({ code: 'source_changed' });
  });

  test('an object that is replaced or removed in mid-read stops the reading', async () => {
    const store = stores[scheme];
    await store.put('items.jsonl', CONTENT);
    const source = await only(store, 'items.jsonl');
    store.proxy.fault = (request) => (asksForBytes(request) ? { resetAt: 100_000 } : null);
    const reading = readLines(source, { line: 0, offset: 0 }, { objectStores: store.stores })[
      Symbol.asyncIterator
    ]();
    expect((await reading.next()).done).toBe(false);
    await store.put('items.jsonl', CONTENT.replaceAll('x.example', 'y.example'));
    const rest = (async () => {
      for (;;) if ((await reading.next()).done) return 'ended';
    })();
    await expect(rest).rejects.toMatchObject({
      code: 'source_changed',
      message: expect.stringContaining('written again'),
    });
    store.proxy.fault = () => null;
    await store.store.remove({ bucket: BUCKET, key: `${store.prefix}items.jsonl` });
    await expect(lines(store, source)).rejects.toMatchObject({
      code: 'source_changed',
      hint: expect.stringContaining('--key content'),
    });
  });

  test('what is wrong with the place is said in one sentence', async () => {
    const store = stores[scheme];
    expect(await failing(store, store.uri('nothing.jsonl'))).toMatchObject({
      code: 'manifest',
      message: `${store.uri('nothing.jsonl')}: there is no such object`,
    });
    expect(await failing(store, `${scheme}://no-such-bucket/x.jsonl`)).toMatchObject({
      message: `${scheme}://no-such-bucket: there is no such bucket`,
    });
    expect(await failing(store, store.uri('none/'))).toMatchObject({
      message: expect.stringContaining('no files match'),
    });
    expect(await failing(store, `${scheme}://`)).toMatchObject({
      message: expect.stringContaining('names no bucket'),
    });
    store.proxy.fault = () =>
      scheme === 's3'
        ? { status: 403, body: '<Error><Code>AccessDenied</Code><Message>no</Message></Error>' }
        : {
            status: 403,
            body: '{"error":{"code":403,"message":"no storage.objects.get access"}}',
            type: 'application/json',
          };
    for (const key of ['x.jsonl', 'x/'])
      expect(await failing(store, store.uri(key))).toMatchObject({
        code: 'manifest',
        message: expect.stringMatching(/: access is denied( \(.+\))?$/),
        hint: expect.stringContaining(scheme === 's3' ? 's3:GetObject' : 'storage.objects.get'),
      });
  });

  test('a packed object that was cut short says so', async () => {
    const store = stores[scheme];
    await store.put('cut.jsonl.gz', gzipSync(CONTENT).subarray(0, 20_000));
    await expect(lines(store, await only(store, 'cut.jsonl.gz'))).rejects.toMatchObject({
      code: 'source_changed',
      message: expect.stringMatching(/gzip data is cut off at byte 20000/),
    });
  });

  test('a slow reader holds the store back', async () => {
    const store = stores[scheme];
    await store.put('big.jsonl', Buffer.alloc(48 << 20, `${'z'.repeat(1023)}\n`));
    const source = await only(store, 'big.jsonl');
    const before = store.proxy.bytes;
    const reading = readLines(source, { line: 0, offset: 0 }, { objectStores: store.stores })[
      Symbol.asyncIterator
    ]();
    await reading.next();
    let seen = -1;
    // Bytes flow until every buffer on the way is full; then two looks find the same.
    while (seen !== store.proxy.bytes) {
      seen = store.proxy.bytes;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(seen - before).toBeLessThan(24 << 20);
    await reading.return?.();
  });
});

test('without credentials, S3 says how to give some', async () => {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
  const kept = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  Object.assign(process.env, {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SHARED_CREDENTIALS_FILE: '/none',
    AWS_CONFIG_FILE: '/none',
  });
  const objectStores = createObjectStores({ s3Endpoint: stores.s3.endpoint });
  const error = await openManifest(stores.s3.uri('x.jsonl'), { objectStores }).catch(
    (cause: unknown) => cause,
  );
  for (const [name, value] of kept) process.env[name] = value;
  expect(error).toMatchObject({
    message: expect.stringContaining('no valid credentials'),
    hint: expect.stringContaining('AWS_PROFILE'),
  });
});

test('S3 says what else it refuses an object for', async () => {
  const body = '<Error><Code>InvalidObjectState</Code><Message>archived</Message></Error>';
  stores.s3.proxy.fault = () => ({ status: 403, body });
  expect(await failing(stores.s3, stores.s3.uri('cold.jsonl'))).toMatchObject({
    message: expect.stringMatching(/S3 refused the request \(InvalidObjectState: archived\)$/),
  });
});

test('an endpoint is signed for in the region of the profile', async () => {
  const file = path.join(await tempFolder(), 'config');
  await writeFile(file, '[default]\nregion = eu-west-1\n');
  const kept = { AWS_REGION: process.env.AWS_REGION, AWS_CONFIG_FILE: process.env.AWS_CONFIG_FILE };
  delete process.env.AWS_REGION;
  process.env.AWS_CONFIG_FILE = file;
  const signed: string[] = [];
  stores.s3.proxy.fault = ({ headers }) => {
    signed.push(headers.authorization ?? '');
    return null;
  };
  const objectStores = createObjectStores({ s3Endpoint: stores.s3.endpoint });
  await openManifest(stores.s3.uri('x.jsonl'), { objectStores }).catch(() => undefined);
  for (const [name, value] of Object.entries(kept)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  expect(signed[0]).toContain('/eu-west-1/s3/');
});
