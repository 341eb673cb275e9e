import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What the JSON API of Google Cloud Storage documents of objects, as far as the real client uses it: metadata and media
 * with ranges and generations ("Objects: get"), lists with pages ("Objects: list"), simple, multipart and resumable
 * uploads ("Uploads"), preconditions (`ifGenerationMatch`), rewrites and deletions. Kept in memory, on loopback.
 */
export interface GcsServer {
  endpoint: string;
  objects: Map<string, StoredObject>;
  /** Most objects on a page of a list. */
  pageSize: number;
  close(): Promise<void>;
}

export interface StoredObject {
  bytes: Buffer;
  generation: number;
}

interface Session {
  bucket: string;
  name: string;
  condition: string | null;
  chunks: Buffer[];
  length: number;
}

export async function startGcsServer(buckets: string[]): Promise<GcsServer> {
  const objects: GcsServer['objects'] = new Map();
  const sessions = new Map<string, Session>();
  let generation = 1_700_000_000_000_000;
  const state = { pageSize: 1_000 };

  const metadata = (bucket: string, name: string, { bytes, generation: own }: StoredObject) => ({
    kind: 'storage#object',
    id: `${bucket}/${name}/${own}`,
    bucket,
    name,
    generation: String(own),
    metageneration: '1',
    size: String(bytes.length),
    md5Hash: createHash('md5').update(bytes).digest('base64'),
    crc32c: crc32c(bytes),
  });

  /** "Preconditions": 0 asks that there is no live object; a stale one is answered 412. */
  function store(bucket: string, name: string, condition: string | null, bytes: Buffer) {
    const key = `${bucket}/${name}`;
    if (condition !== null && Number(condition) !== (objects.get(key)?.generation ?? 0))
      throw new Refusal(412, 'At least one of the pre-conditions you specified did not hold.');
    generation += 1;
    const object = { bytes, generation };
    objects.set(key, object);
    return metadata(bucket, name, object);
  }

  function find(bucket: string, name: string, wanted: string | null): StoredObject {
    const object = objects.get(`${bucket}/${name}`);
    if (object === undefined || (wanted !== null && Number(wanted) !== object.generation))
      throw new Refusal(404, `No such object: ${bucket}/${name}`);
    return object;
  }

  function media(request: IncomingMessage, response: ServerResponse, object: StoredObject) {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const { length } = object.bytes;
    const from = Number(range?.[1] ?? 0);
    const to = range?.[2] ? Math.min(length, Number(range[2]) + 1) : length;
    if (range !== null && from >= length) throw new Refusal(416, 'The requested range cannot be satisfied.');
    const body = object.bytes.subarray(from, to);
    response.writeHead(range === null ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'content-length': body.length,
      'x-goog-generation': String(object.generation),
      ...(range !== null && { 'content-range': `bytes ${from}-${to - 1}/${length}` }),
      'x-goog-hash': `crc32c=${crc32c(object.bytes)}`,
    });
    response.end(body);
  }

  function list(bucket: string, query: URLSearchParams) {
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter');
    const names = [...objects.keys()]
      .filter((key) => key.startsWith(`${bucket}/${prefix}`))
      .map((key) => key.slice(bucket.length + 1))
      .filter((name) => delimiter === null || !name.slice(prefix.length).includes(delimiter))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const after = query.get('pageToken');
    const rest = after === null ? names : names.filter((name) => name > after);
    const page = rest.slice(0, state.pageSize);
    return {
      kind: 'storage#objects',
      items: page.map((name) => metadata(bucket, name, find(bucket, name, null))),
      ...(rest.length > page.length && { nextPageToken: page.at(-1) }),
    };
  }

  /** "Resumable uploads": 308 with the range that is kept until the last chunk says the whole size. */
  function resume(id: string, range: string, body: Buffer, response: ServerResponse): unknown {
    const session = sessions.get(id);
    if (session === undefined) throw new Refusal(404, 'No such upload');
    const [, first, total] = /^bytes (\*|\d+-\d+)\/(\*|\d+)$/.exec(range) ?? ['', '*', '*'];
    if (first !== '*' && Number((first ?? '').split('-')[0]) === session.length) {
      session.chunks.push(body);
      session.length += body.length;
    }
    if (total !== '*' && session.length === Number(total))
      return store(session.bucket, session.name, session.condition, Buffer.concat(session.chunks));
    response.writeHead(308, session.length > 0 ? { range: `bytes=0-${session.length - 1}` } : {}).end();
    return undefined;
  }

  function upload(
    url: URL,
    bucket: string,
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
  ) {
    const query = url.searchParams;
    const id = query.get('upload_id');
    if (id !== null)
      return resume(
        id,
        request.headers['content-range'] ?? `bytes 0-${body.length - 1}/${body.length}`,
        body,
        response,
      );
    const condition = query.get('ifGenerationMatch');
    if (query.get('uploadType') === 'resumable') {
      const name = query.get('name') ?? (JSON.parse(body.toString() || '{}') as { name?: string }).name ?? '';
      const session = `s${sessions.size + 1}`;
      sessions.set(session, { bucket, name, condition, chunks: [], length: 0 });
      response
        .writeHead(200, {
          location: `http://${request.headers.host}${url.pathname}?uploadType=resumable&upload_id=${session}`,
        })
        .end();
      return undefined;
    }
    const boundary = /boundary=([^;]+)/.exec(request.headers['content-type'] ?? '')?.[1];
    const name = query.get('name');
    if (boundary === undefined) return store(bucket, name ?? '', condition, body);
    const [about, content] = multipart(body, boundary);
    return store(bucket, name ?? (JSON.parse(about.toString()) as { name: string }).name, condition, content);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const url = new URL(request.url ?? '/', endpoint);
    const [, isUpload, bucketText = '', objectText] =
      /^(\/upload|\/download)?\/storage\/v1\/b\/([^/]+)(?:\/o(?:\/([^/]+))?)?/.exec(url.pathname) ?? [];
    const rewrite = /\/rewriteTo\/b\/([^/]+)\/o\/([^/]+)$/.exec(url.pathname);
    const [bucket, object] = [decodeURIComponent(bucketText), decodeURIComponent(objectText ?? '')];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (!buckets.includes(bucket)) throw new Refusal(404, 'The specified bucket does not exist.');
    if (isUpload === '/upload') return upload(url, bucket, request, body, response);
    if (rewrite !== null) {
      const target = [rewrite[1], rewrite[2]].map((part) => decodeURIComponent(part ?? '')) as [
        string,
        string,
      ];
      const resource = store(...target, null, find(bucket, object, null).bytes);
      return { kind: 'storage#rewriteResponse', done: true, resource };
    }
    if (objectText === undefined) return list(bucket, url.searchParams);
    const found = find(bucket, object, url.searchParams.get('generation'));
    if (request.method === 'DELETE') {
      objects.delete(`${bucket}/${object}`);
      return void response.writeHead(204).end();
    }
    if (url.searchParams.get('alt') === 'media') return media(request, response, found);
    return metadata(bucket, object, found);
  }

  const server = createServer((request, response) => {
    answer(request, response).then(
      (json) =>
        json === undefined ||
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(json)),
      (error: Error) => {
        const code = error instanceof Refusal ? error.status : 500;
        response.writeHead(code, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify({ error: { code, message: error.message, errors: [{ message: error.message }] } }),
        );
      },
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(state, {
    endpoint,
    objects,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The two parts of a `multipart/related` body: metadata, media. */
function multipart(body: Buffer, boundary: string): [about: Buffer, content: Buffer] {
  const mark = Buffer.from(`--${boundary.replaceAll('"', '')}`);
  const part = (from: number): [content: Buffer, next: number] => {
    const start = body.indexOf('\r\n\r\n', from) + 4;
    const end = body.indexOf(Buffer.concat([Buffer.from('\r\n'), mark]), start);
    return [body.subarray(start, end), end + 2 + mark.length];
  };
  const [about, next] = part(body.indexOf(mark));
  return [about, part(next)[0]];
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0x82f63b78 ^ (crc >>> 1) : crc >>> 1;
  return crc >>> 0;
});

/** Castagnoli, big-endian, in base64, as the API's `crc32c` field says. */
function crc32c(bytes: Buffer): string {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  const out = Buffer.alloc(4);
  out.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return out.toString('base64');
}
