import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Refusal {
  status: number;
  code: string;
  message: string;
  headers?: Record<string, string>;
}

export interface S3Like {
  url: string;
  objects: Map<string, Buffer>;
  /** Decides over each request as it comes. */
  refuse: (request: IncomingMessage) => Refusal | null;
}

/** A server that speaks as much of S3 as a run needs, in path style, and can be as old or as strange as a test wants it. */
export async function startS3Like(): Promise<S3Like> {
  const state: S3Like = { url: '', objects: new Map(), refuse: () => null };
  const etag = (bytes: Buffer) => `"${createHash('md5').update(bytes).digest('hex')}"`;
  const fail = (response: ServerResponse, { status, code, message, headers }: Refusal, bodiless = false) =>
    void response
      .writeHead(status, { 'content-type': 'application/xml', ...headers })
      .end(
        bodiless
          ? undefined
          : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
      );

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const refusal = state.refuse(request);
    if (refusal !== null) return fail(response, refusal, request.method === 'HEAD');
    const url = new URL(request.url ?? '', 'http://s3');
    const [, bucket = '', ...rest] = decodeURIComponent(url.pathname).split('/');
    const key = rest.join('/');
    const place = `${bucket}/${key}`;
    if (request.method === 'GET' && key === '') {
      const prefix = `${bucket}/${url.searchParams.get('prefix') ?? ''}`;
      const keys = [...state.objects.keys()].filter((each) => each.startsWith(prefix)).sort();
      const contents = keys.map((each) => `<Contents><Key>${each.slice(bucket.length + 1)}</Key></Contents>`);
      return void response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end(`<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`);
    }
    if (request.method === 'PUT') {
      if (request.headers['if-none-match'] === '*' && state.objects.has(place))
        return fail(response, { status: 412, code: 'PreconditionFailed', message: 'There is one.' });
      const body = Buffer.concat(chunks);
      state.objects.set(place, body);
      return void response.writeHead(200, { etag: etag(body) }).end();
    }
    if (request.method === 'DELETE') {
      state.objects.delete(place);
      return void response.writeHead(204).end();
    }
    const found = state.objects.get(place);
    if (found === undefined)
      return fail(
        response,
        { status: 404, code: 'NoSuchKey', message: 'No such key.' },
        request.method === 'HEAD',
      );
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    const to = range?.[2] ? Math.min(found.length, Number(range[2]) + 1) : found.length;
    const placed = { 'content-range': `bytes ${from}-${to - 1}/${found.length}` };
    response
      .writeHead(range ? 206 : 200, { etag: etag(found), 'content-length': to - from, ...(range && placed) })
      .end(request.method === 'HEAD' ? undefined : found.subarray(from, to));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return state;
}
