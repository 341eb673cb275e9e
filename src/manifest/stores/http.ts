import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, interceptors, request } from 'undici';
import { IngestError } from '../../errors.js';
import type { Source } from '../types.js';
import { credentials, safeUrl } from './http-url.js';
import {
  type Listing,
  manifestError,
  type ObjectStat,
  type OpenOptions,
  type ReadOptions,
  type Store,
  sourceChanged,
} from './store.js';

/** Tries in a row that brought no byte, after which a source is given up. */
const TRIES = 6;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
const HEAD_BYTES = 4;

export const httpStore: Store = { list, stat, openRange };

/** There is no listing over HTTP: a trailing / or * is part of the URL. */
async function list(spec: string, _options: OpenOptions): Promise<Listing> {
  if (!URL.canParse(spec))
    throw manifestError(`"${spec}" is not a valid URL`, 'Write it as https://host/path.jsonl.');
  const safe = safeUrl(spec);
  const name = decodeURIComponent(
    new URL(spec).pathname.split('/').filter(Boolean).at(-1) ?? new URL(spec).host,
  );
  return { uri: safe, several: false, objects: [{ uri: spec, name }] };
}

/** One GET of the first bytes tells all: HEAD is refused by many signed URLs, and promises ranges that are not kept. */
async function stat(uri: string, { signal }: OpenOptions): Promise<ObjectStat> {
  return withAgent((agent) =>
    retried(uri, signal, async () => {
      const answer = await get(agent, uri, `bytes=0-${HEAD_BYTES - 1}`, signal);
      const { size, version } = answer;
      // What an empty source answers to any range.
      if (answer.status === 416) return { version, size: 0, ranges: false, head: new Uint8Array() };
      let head = Buffer.alloc(0);
      for await (const chunk of answer.body) {
        head = Buffer.concat([head, chunk]);
        if (head.length >= HEAD_BYTES) break;
      }
      if (head.length === 0) return { version, size: 0, ranges: false, head };
      return { version, size, ranges: answer.status === 206, head: head.subarray(0, HEAD_BYTES) };
    }),
  );
}

async function* openRange(source: Source, start: number, { signal }: ReadOptions): AsyncIterable<Uint8Array> {
  const agent = openAgent();
  let at = start;
  try {
    for (let failures = 0; ; ) {
      try {
        for await (const chunk of bodyFrom(agent, source, at, signal)) {
          at += chunk.length;
          failures = 0;
          yield chunk;
        }
        if (source.size !== null && at < source.size)
          throw new Error(`the body ended at byte ${at} of ${source.size}`);
        return;
      } catch (error) {
        failures += 1;
        await backOff(source.uri, failures, error, signal);
      }
    }
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
  if (source.size !== null && at >= source.size) return;
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
  // Only a strong ETag may stand in If-Range; with any other the answer's own version is compared.
  const etag = version?.startsWith('etag:"') ? version.slice('etag:'.length) : undefined;
  if (range !== undefined && etag !== undefined) headers['if-range'] = etag;
  const answer = await request(url, {
    dispatcher: agent,
    headers,
    ...(signal === undefined ? {} : { signal }),
  });
  const { statusCode: status, body } = answer;
  if (status === 200 || status === 206 || status === 416) {
    const size = sizeOf(status, answer.headers);
    if (status === 416) await body.dump();
    return { status, body, size, version: versionOf(answer.headers, size) };
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

const openAgent = () => {
  const agent = new Agent({ connections: 1, headersTimeout: 60_000, bodyTimeout: 60_000 });
  return agent.compose(interceptors.redirect({ maxRedirections: 5 }));
};

async function withAgent<T>(use: (agent: Dispatcher) => Promise<T>): Promise<T> {
  const agent = openAgent();
  try {
    return await use(agent);
  } finally {
    await agent.destroy();
  }
}

async function retried<T>(uri: string, signal: AbortSignal | undefined, act: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await act();
    } catch (error) {
      await backOff(uri, failures, error, signal);
    }
  }
}

/** Waits before the next try; rethrows what another try cannot change. */
async function backOff(
  uri: string,
  failures: number,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  if (error instanceof IngestError) throw error;
  if (failures >= TRIES) {
    const reason = error instanceof Error ? error.message : String(error);
    throw manifestError(
      `${safeUrl(uri)} cannot be read: ${reason} (${TRIES} tries)`,
      'Check the server and the network.',
      error,
    );
  }
  const most = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures);
  await sleep(most / 2 + (Math.random() * most) / 2, undefined, signal === undefined ? {} : { signal });
}
