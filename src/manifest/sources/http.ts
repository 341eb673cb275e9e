import { type Dispatcher, interceptors, request } from 'undici';
import { guardedConnect, noInternalAfterPublic, publicOnly } from '../../lib/net/guarded-connect.js';
import { poolToAny } from '../../lib/net/proxy.js';
import { reopening, retried } from '../../lib/object-stores/reopening.js';
import type { Source } from '../types.js';
import { credentials, decoded, identityOf, safeUrl } from './http-url.js';
import {
  type Listing,
  manifestError,
  type ObjectStat,
  type OpenOptions,
  type ReadOptions,
  type Store,
  sourceChanged,
} from './store.js';

const HEAD_BYTES = 4;
/** After this time without a byte, the connection counts as dead and another one is opened, ms. */
const IDLE_MS = 20_000;

export const httpStore: Store = { list, stat, openRange };

/** There is no listing over HTTP: a trailing / or * is part of the URL. */
async function list(spec: string, _options: OpenOptions): Promise<Listing> {
  if (!URL.canParse(spec))
    throw manifestError(`"${spec}" is not a valid URL`, 'Write it as https://host/path.jsonl.');
  const { pathname, host } = new URL(spec);
  const name = decoded(pathname.split('/').filter(Boolean).at(-1) ?? host);
  return { uri: safeUrl(spec), identity: identityOf(spec), several: false, objects: [{ uri: spec, name }] };
}

/** One GET of the first bytes gives all facts: many signed URLs refuse HEAD, or promise ranges that are not kept. */
async function stat(
  uri: string,
  { signal, objectStores, publicOnly: guarded }: OpenOptions,
): Promise<ObjectStat> {
  return withAgent(guarded, (agent) =>
    retried(
      safeUrl(uri),
      async () => {
        const answer = await get(agent, uri, `bytes=0-${HEAD_BYTES - 1}`, signal);
        const { size, version } = answer;
        // The answer of an empty source to any range.
        if (answer.status === 416) return { version, size: 0, ranges: false, head: new Uint8Array() };
        let head = Buffer.alloc(0);
        for await (const chunk of answer.body) {
          head = Buffer.concat([head, chunk]);
          if (head.length >= HEAD_BYTES) break;
        }
        if (head.length === 0) return { version, size: 0, ranges: false, head };
        return {
          version,
          size,
          ranges: answer.status === 206,
          head: head.subarray(0, HEAD_BYTES),
          ...(answer.encoding !== undefined && { encoding: answer.encoding }),
        };
      },
      { signal, waits: objectStores?.waits },
    ),
  );
}

async function* openRange(
  source: Source,
  start: number,
  { signal, objectStores, publicOnly: guarded }: ReadOptions,
): AsyncIterable<Uint8Array> {
  const agent = openAgent(guarded);
  try {
    yield* reopening(safeUrl(source.uri), source.size, start, (at) => bodyFrom(agent, source, at, signal), {
      signal,
      waits: objectStores?.waits,
    });
  } finally {
    await agent.destroy();
  }
}

async function* bodyFrom(
  agent: Dispatcher,
  source: Source,
  at: number,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const answer = await get(agent, source.uri, at === 0 ? undefined : `bytes=${at}-`, signal, source.version);
  const safe = safeUrl(source.uri);
  if (answer.status === 416) throw sourceChanged(safe, `it has no byte ${at} any more`);
  const sized = answer.size !== null && source.size !== null;
  if (sized && answer.size !== source.size) {
    discard(answer.body);
    throw sourceChanged(safe, `it had ${source.size} bytes and has ${answer.size} now`);
  }
  if (answer.version !== source.version && !(answer.size === null && source.version.startsWith('size:'))) {
    discard(answer.body);
    throw sourceChanged(safe, `its version was ${source.version} and is ${answer.version} now`);
  }
  if (answer.encoding !== source.encoding) {
    discard(answer.body);
    const spoken = (encoding: string | undefined) => encoding ?? 'no encoding';
    throw sourceChanged(
      safe,
      `it came in ${spoken(source.encoding)} and comes in ${spoken(answer.encoding)} now`,
    );
  }
  // A server without ranges starts again from the first byte.
  let skip = answer.status === 206 ? 0 : at;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    if (skip < chunk.length) yield chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}

/** Ends a body unread; undici reports that as an error of the body. */
const discard = (body: Answer['body']) => body.on('error', () => undefined).destroy();

interface Answer {
  status: 200 | 206 | 416;
  body: Dispatcher.ResponseData['body'];
  size: number | null;
  version: string;
  /** `Content-Encoding`, but for `identity`. */
  encoding?: string;
}

async function get(
  agent: Dispatcher,
  uri: string,
  range: string | undefined,
  signal: AbortSignal | undefined,
  version?: string,
): Promise<Answer> {
  const { url, authorization } = credentials(uri);
  const headers: Record<string, string> = { 'accept-encoding': 'identity', ...authorization };
  if (range !== undefined) headers.range = range;
  // Only a strong ETag may be in If-Range; with any other the answer's own version is compared.
  const etag = version?.startsWith('etag:"') ? version.slice('etag:'.length) : undefined;
  if (range !== undefined && etag !== undefined) headers['if-range'] = etag;
  const answer = await request(url, {
    dispatcher: agent,
    headers,
    headersTimeout: IDLE_MS,
    bodyTimeout: IDLE_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  const { statusCode: status, body } = answer;
  if (status === 200 || status === 206 || status === 416) {
    const type = String(answer.headers['content-type'] ?? '');
    if (/^\s*(text\/html|application\/xhtml)/i.test(type)) {
      discard(body);
      throw manifestError(
        `${safeUrl(uri)}: the server answered with a web page (${type}), which is no manifest`,
        'Sign-in pages and expired links answer so: get a fresh link, or a direct one.',
      );
    }
    const size = sizeOf(status, answer.headers);
    if (status === 416) await body.dump();
    const encoding = contentEncoding(answer.headers);
    const version = versionOf(answer.headers, size);
    return { status, body, size, version, ...(encoding !== undefined && { encoding }) };
  }
  await body.dump();
  if (status >= 500 || status === 429 || status === 408) throw new Error(`the server answered ${status}`);
  throw manifestError(`${safeUrl(uri)}: the server answered ${status}`, HINTS[status] ?? 'Check the URL.');
}

const HINTS: Readonly<Record<number, string>> = {
  401: 'It asks for a login: use a signed URL, or https://user:password@host/….',
  403: 'Access is refused: a signed URL may have expired.',
  404: 'There is nothing at this URL: check it for a typing error.',
};

type Headers = Dispatcher.ResponseData['headers'];

function sizeOf(status: number, headers: Headers): number | null {
  const text =
    status === 200 ? headers['content-length'] : String(headers['content-range'] ?? '').split('/')[1];
  return typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : null;
}

function versionOf(headers: Headers, size: number | null): string {
  if (typeof headers.etag === 'string') return `etag:${headers.etag}`;
  if (typeof headers['last-modified'] === 'string') return `modified:${headers['last-modified']}`;
  return `size:${size ?? 'unknown'}`;
}

function contentEncoding(headers: Headers): string | undefined {
  const text = String(headers['content-encoding'] ?? '')
    .trim()
    .toLowerCase();
  return text === '' || text === 'identity' ? undefined : text;
}

/**
 * A host that somebody else named is called directly. A proxy would resolve its name, and the rule could not be
 * applied.
 */
const openAgent = (guarded = false) => {
  const connect = guardedConnect(guarded ? publicOnly : noInternalAfterPublic());
  const agent = poolToAny({ connections: 1, connect, direct: guarded });
  return agent.compose(interceptors.redirect({ maxRedirections: 5 }));
};

async function withAgent<T>(
  guarded: boolean | undefined,
  use: (agent: Dispatcher) => Promise<T>,
): Promise<T> {
  const agent = openAgent(guarded);
  try {
    return await use(agent);
  } finally {
    await agent.destroy();
  }
}
