import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openManifest } from '../../src/manifest/index.js';
import { identityOf, safeUrl } from '../../src/manifest/sources/http-url.js';
import { allLines, onlySource, serve, textsOf } from './helpers.js';

const LINES = Array.from({ length: 5_000 }, (_, i) => `{"n":${i},"pad":"${'x'.repeat(i % 90)}"}`);
const CONTENT = Buffer.from(LINES.join('\n'));

interface Site {
  content: Buffer;
  headers: Record<string, string>;
  ranges: boolean;
  /** Bytes of the body after which the connection is reset, one for each request in turn. */
  resets: number[];
  /** Statuses answered before anything else. */
  refusals: number[];
  asked: IncomingMessage['headers'][];
}

function site(
  parts: Partial<Site> = {},
): Site & { listener: (request: IncomingMessage, response: ServerResponse) => void } {
  const state: Site = {
    content: CONTENT,
    headers: { etag: '"v1"' },
    ranges: true,
    resets: [],
    refusals: [],
    asked: [],
    ...parts,
  };
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    state.asked.push(request.headers);
    const refusal = state.refusals.shift();
    if (refusal !== undefined) return void response.writeHead(refusal).end('no');
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const condition = request.headers['if-range'];
    const partial =
      state.ranges && range !== null && (condition === undefined || condition === state.headers.etag);
    const { length } = state.content;
    const from = partial ? Number(range[1]) : 0;
    const to = partial && range[2] !== '' ? Math.min(length, Number(range[2]) + 1) : length;
    if (partial && from >= length)
      return void response.writeHead(416, { 'content-range': `bytes */${length}` }).end();
    const body = state.content.subarray(from, to);
    const placed = partial ? { 'content-range': `bytes ${from}-${to - 1}/${length}` } : {};
    response.writeHead(partial ? 206 : 200, { ...state.headers, ...placed, 'content-length': body.length });
    const reset = range?.[2] === '3' ? undefined : state.resets.shift();
    if (reset === undefined) return void response.end(body);
    response.write(body.subarray(0, reset), () => setImmediate(() => response.socket?.resetAndDestroy()));
  };
  return Object.assign(state, { listener });
}

test.each([true, false])('connections that break are taken up at the byte (ranges: %s)', async (ranges) => {
  const state = site({ ranges, resets: [0, 10_000, 30_001, 70_000] });
  const source = await onlySource(`${await serve(state.listener)}/a/items.jsonl`);
  expect(source).toMatchObject({
    name: 'items.jsonl',
    version: 'etag:"v1"',
    size: CONTENT.length,
    seekable: ranges,
  });
  const lines = await allLines(source);
  expect(textsOf(lines)).toEqual(LINES);
  expect(state.resets).toEqual([]);
  const at = lines[2_500];
  if (at === undefined) throw new Error('no line');
  state.resets.push(5_000);
  expect(await allLines(source, { line: at.line, offset: at.end })).toEqual(lines.slice(at.line));
  expect(state.asked.find(({ range }) => range === `bytes=${at.end}-`)?.['if-range']).toBe(
    ranges ? '"v1"' : undefined,
  );
});

test('a packed body that breaks goes on as well', async () => {
  const content = gzipSync(CONTENT, { level: 0 });
  const state = site({ content, resets: [20_000, 40_000] });
  const source = await onlySource(`${await serve(state.listener)}/items.jsonl.gz`);
  expect(source).toMatchObject({ compression: 'gzip', seekable: false });
  expect(textsOf(await allLines(source))).toEqual(LINES);
  expect(state.resets).toEqual([]);
});

test('a source that changes between two connections is noticed, by ETag, encoding, date or size', async () => {
  for (const [headers, changed] of [
    [{ etag: '"v1"' }, { etag: '"v2"' }],
    [{ etag: 'W/"v1"' }, { etag: 'W/"v2"' }],
    [{ etag: '"v1"' }, { etag: '"v1"', 'content-encoding': 'gzip' }],
    [
      { 'last-modified': 'Mon, 03 Jun 2024 10:00:00 GMT' },
      { 'last-modified': 'Tue, 04 Jun 2024 10:00:00 GMT' },
    ],
  ]) {
    const state = site({ headers: headers as Record<string, string> });
    const source = await onlySource(`${await serve(state.listener)}/items.jsonl`);
    Object.assign(state, { headers: changed });
    await expect(allLines(source, { line: 1, offset: 17 })).rejects.toMatchObject({ code: 'source_changed' });
  }
  const state = site({ headers: {} });
  const source = await onlySource(`${await serve(state.listener)}/items.jsonl`);
  state.content = CONTENT.subarray(0, 5_000);
  await expect(allLines(source, { line: 1, offset: 17 })).rejects.toMatchObject({ code: 'source_changed' });
  await expect(allLines(source, { line: 300, offset: 20_000 })).rejects.toMatchObject({
    code: 'source_changed',
  });
});

test('what the server says about errors reaches the user; a busy server is asked again', async () => {
  const failing = async (state: ReturnType<typeof site>, path = '/items.jsonl') =>
    openManifest(`${await serve(state.listener)}${path}`).catch((error: unknown) => error);
  expect(await failing(site({ refusals: [404] }))).toMatchObject({
    code: 'manifest',
    message: expect.stringMatching(/answered 404/),
  });
  expect(await failing(site({ content: Buffer.alloc(0) }))).toMatchObject({
    message: expect.stringMatching(/items.jsonl is empty/),
  });
  expect(await failing(site({ content: Buffer.alloc(0), ranges: false }))).toMatchObject({
    message: expect.stringMatching(/is empty/),
  });
  expect(await failing(site({ refusals: [503, 429] }))).toMatchObject({ bytes: CONTENT.length });
  const denied = await failing(site({ refusals: [403] }), '/items.jsonl?X-Amz-Signature=secret');
  expect(denied).toMatchObject({
    message: expect.not.stringMatching(/secret/),
    hint: expect.stringMatching(/expired/),
  });
});

test('a login in the URL is sent and never shown; redirects are followed', async () => {
  const state = site();
  const target = await serve(state.listener);
  const door = await serve(
    (_request, response) => void response.writeHead(302, { location: `${target}/items.jsonl` }).end(),
  );
  const manifest = await openManifest(target.replace('//', '//me:p%40ss@'));
  expect(state.asked[0]?.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  expect(manifest.uri).toBe(`${target}/`);
  expect(textsOf(await allLines(await onlySource(`${door}/x`)))).toEqual(LINES);
});

test('a percent sign that encodes nothing is a percent sign, in a name and in a login', async () => {
  const state = site();
  const url = (await serve(state.listener)).replace('//', '//user:100%@');
  expect(await onlySource(`${url}/100%.jsonl`)).toMatchObject({ name: '100%.jsonl' });
  expect(state.asked[0]?.authorization).toBe(`Basic ${Buffer.from('user:100%').toString('base64')}`);
});

test('URLs are shown without login and query', () => {
  expect(safeUrl('https://u:p@h.example/a%20b?v=1&api_key=s#f')).toBe('https://h.example/a%20b?…');
  expect(safeUrl('https://h.example/a')).toBe('https://h.example/a');
});

test('a URL is told apart by all but password, fragment and signature', () => {
  const same = (a: string, b: string) => identityOf(a) === identityOf(b);
  const signed = (n: number) => [
    `https://h/a?v=1&X-Amz-Algorithm=A&X-Amz-Date=${n}&X-Amz-Credential=c${n}&X-Amz-Signature=s${n}`,
    `https://h/a?v=1&X-Goog-Date=${n}&X-Goog-Signature=s${n}`,
    `https://h/a?v=1&AWSAccessKeyId=k&Expires=${n}&Signature=s${n}`,
    `https://h/a?v=1&GoogleAccessId=k&Expires=${n}&Signature=s${n}`,
    `https://h/a?v=1&Policy=p${n}&Key-Pair-Id=k&Signature=s${n}`,
    `https://h/a?v=1&sv=2024&sp=r&se=${n}&sr=b&sig=s${n}`,
  ];
  const [first, second] = [signed(1), signed(2)];
  for (const [n, url] of first.entries()) {
    expect(same(url, second[n] ?? ''), url).toBe(true);
    expect(same(url, 'https://h/a?v=1'), url).toBe(true);
    expect(same(url, url.replace('v=1', 'v=2')), url).toBe(false);
  }
  for (const name of [
    'key',
    'page_token',
    'tokenizer',
    'expires_after',
    'api_key',
    'sig',
    'expires',
    'signature',
  ])
    expect(same(`https://h/dl?${name}=a`, `https://h/dl?${name}=b`), name).toBe(false);
  expect(same('https://u:p@h/a', 'https://u:q@h/a#x')).toBe(true);
  expect(same('https://u:p@h/a', 'https://w:p@h/a')).toBe(false);
  expect(identityOf('https://h/a?key=secret-value')).not.toContain('secret-value');
});
