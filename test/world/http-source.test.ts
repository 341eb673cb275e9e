import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { serve } from '../manifest/helpers.js';
import { boughtTasks, readOut, until } from '../pipeline/harness.js';
import { jsonl, world } from './world.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

describe('the identity of a URL', () => {
  test.each(['key', 'page_token', 'tokenizer', 'expires_after'])(
    'another %s= is another manifest, and its value is in nothing that is shown or kept',
    async (name) => {
      const url = await serve((request, response) => {
        const of = new URL(request.url ?? '', 'http://x').searchParams.get(name);
        response.end(
          jsonl(of === 'SECRETfileA' ? 3 : 5, (n) => ({ data_url: `https://x.example/${of}/${n}` })),
        );
      });
      const { run, gateway, out } = await world();
      const first = await run(`${url}/dl?${name}=SECRETfileA`, { args: ['--out', 'a'] });
      const second = await run(`${url}/dl?${name}=SECRETfileB`, { args: ['--out', 'b'] });
      expect([first.status, second.status], first.stderr + second.stderr).toEqual([0, 0]);
      expect(JSON.parse(first.stdout)).toMatchObject({ lines: 3, manifest: { uri: `${url}/dl?…` } });
      expect(JSON.parse(second.stdout)).toMatchObject({ lines: 5 });
      expect((await boughtTasks(gateway.url)).length).toBe(8);
      expect(first.stdout + first.stderr).not.toContain('SECRET');
      for (const file of (await readOut(out('a'))).names.filter((each) => !each.startsWith('results')))
        expect(await readFile(`${out('a')}/${file}`, 'utf8'), file).not.toContain('SECRET');
      // The same run again is the same run.
      const again = await run(`${url}/dl?${name}=SECRETfileA`, { args: ['--out', 'a'] });
      expect(JSON.parse(again.stdout).run_id).toBe(JSON.parse(first.stdout).run_id);
      const other = await run(`${url}/dl?${name}=SECRETfileB`, {
        args: ['--out', 'a', '--run-id', JSON.parse(first.stdout).run_id],
      });
      expect(other).toMatchObject({ status: 2, stderr: expect.stringContaining('another manifest') });
    },
    60_000,
  );
});

test('a sign-in page is no manifest', async () => {
  const url = await serve((_request, response) => {
    response
      .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      .end('<html>Please sign in</html>');
  });
  const { run, gateway } = await world();
  expect(await run(`${url}/dl?id=1`)).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/\/dl\?…: the server answered with a web page \(text\/html/),
  });
  expect(gateway.stats().tasks).toBe(0);
});

describe('Content-Encoding', () => {
  const TEXT = jsonl(400);
  const encoded: [string, Buffer][] = [
    ['gzip', gzipSync(TEXT)],
    ['x-gzip', gzipSync(TEXT)],
    ['br', brotliCompressSync(TEXT)],
    ['deflate', deflateSync(TEXT)],
    ['deflate', deflateRawSync(TEXT)],
  ];
  const answering =
    (encoding: string, body: Buffer): Answer =>
    (_request, response) =>
      void response.writeHead(200, { 'content-encoding': encoding, etag: '"e"' }).end(body);

  test.each(encoded)('%s is decoded', async (encoding, body) => {
    const { run } = await world();
    const exit = await run(`${await serve(answering(encoding, body))}/items.jsonl`);
    expect(exit, exit.stderr).toMatchObject({ status: 0 });
    expect(JSON.parse(exit.stdout)).toMatchObject({ lines: 400, settled: 400 });
  });

  test.each(['br', 'deflate'])('%s that is cut off blocks the run', async (encoding) => {
    const { run, gateway } = await world();
    const body = (encoding === 'br' ? brotliCompressSync(TEXT) : deflateSync(TEXT)).subarray(0, -30);
    const exit = await run(`${await serve(answering(encoding, body))}/items.jsonl`);
    expect(exit).toMatchObject({ status: 4, stderr: expect.stringContaining(`${encoding} data is cut off`) });
    expect(gateway.stats().tasks).toBe(0);
  });

  test.each(['compress', 'gzip, br', 'aws-chunked'])('%s is refused', async (encoding) => {
    const { run, gateway } = await world();
    const exit = await run(`${await serve(answering(encoding, Buffer.from(TEXT)))}/items.jsonl`);
    expect(exit).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`content-encoding: ${encoding}`),
    });
    expect(gateway.stats().tasks).toBe(0);
  });
});

test('a source that falls silent is read again within 30 s, and the display says so', async () => {
  const text = jsonl(200);
  let asked = 0;
  const url = await serve((request, response) => {
    asked += 1;
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const body = Buffer.from(text).subarray(from);
    response.writeHead(request.headers.range ? 206 : 200, {
      etag: '"e"',
      'content-length': body.length,
      ...(request.headers.range && { 'content-range': `bytes ${from}-${text.length - 1}/${text.length}` }),
    });
    // The first connection for the lines themselves.
    if (asked === 3) response.write(body.subarray(0, 5_000));
    else response.end(body);
  });
  const { start } = await world();
  const began = Date.now();
  const process = start(['run', `${url}/items.jsonl`, '--question', 'Which?', '--options', 'a,b']);
  const exit = await process.exit;
  expect(exit.status, exit.stderr).toBe(0);
  expect(Date.now() - began).toBeLessThan(40_000);
  expect(exit.stderr).toMatch(/waiting for source: .*items\.jsonl/);
  expect(asked).toBeGreaterThan(3);
  await until(() => true, 'the end');
}, 60_000);
