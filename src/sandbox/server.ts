import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { between } from './labels.js';
import { createLimiter, type Limiter } from './limiter.js';
import { DEFAULTS, type SandboxOptions } from './options.js';
import { customerOf, type Reply, ROUTES, registerCustomer, type World } from './routes.js';
import { openStore } from './store.js';
import { createDeliveries } from './webhooks.js';

const MOST_BODY_BYTES = 64 << 20;

export interface SandboxStats {
  tasks: number;
  /** Calls by operation, then status. */
  calls: Record<string, Record<string, number>>;
  rate_limited: number;
  /** Most calls of all keys that were let through within one second of the clock. */
  peak_per_second: number;
}

export interface Sandbox {
  readonly url: string;
  readonly port: number;
  stats(): SandboxStats;
  /** Changes how it behaves from now on. */
  set(patch: Partial<SandboxOptions>): void;
  close(): Promise<void>;
}

/** Starts the local Gateway: every documented endpoint but manifest jobs, and `/__sandbox/…` to look into it. */
export async function startSandbox(given: Partial<SandboxOptions> = {}): Promise<Sandbox> {
  const options: SandboxOptions = { ...DEFAULTS, ...given };
  const store = await openStore(options.dir);
  const deliveries = createDeliveries(store, () => options.seed);
  const world: World = { options, store, deliveries };
  for (const task of store.tasks.values()) if (task.settles > Date.now()) deliveries.schedule(task);

  const calls: SandboxStats['calls'] = {};
  let limiters = new Map<string, Limiter>();
  let [second, inSecond, peak] = [0, 0, 0];

  const count = (operation: string, status: number | 'reset') => {
    const statuses = calls[operation] ?? {};
    statuses[status] = (statuses[status] ?? 0) + 1;
    calls[operation] = statuses;
  };
  const letThrough = () => {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) [second, inSecond] = [now, 0];
    inSecond += 1;
    peak = Math.max(peak, inSecond);
  };
  const stats = (): SandboxStats => ({
    tasks: store.tasks.size,
    calls,
    rate_limited: Object.values(calls).reduce((sum, statuses) => sum + (statuses[429] ?? 0), 0),
    peak_per_second: peak,
  });
  const set = (patch: Partial<SandboxOptions>) => {
    Object.assign(options, patch);
    if ('rateLimit' in patch || 'rateLimitKind' in patch) limiters = new Map();
  };

  /** How long the key must wait, in ms; 0 when the call is allowed. */
  function limited(key: string): number {
    if (options.rateLimit === null) return 0;
    let limiter = limiters.get(key);
    if (limiter === undefined) {
      limiter = createLimiter(options.rateLimit, options.rateLimitKind);
      limiters.set(key, limiter);
    }
    return limiter.take(performance.now());
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
    const text = await readBody(request);
    if (path.startsWith('/__sandbox/')) return control(path, text, response);
    if (options.latency.maxMs > 0)
      await new Promise((resolve) => setTimeout(resolve, between(options.latency, Math.random)));
    const { operation, reply } = answer(request, path, search, text);
    const cut = reply === 'reset' || Math.random() < options.resetAfter;
    count(operation, cut ? 'reset' : reply.status);
    if (cut) return void response.destroy();
    send(response, reply, 'headers' in reply ? (reply.headers as Record<string, string>) : {});
  }

  function answer(
    request: IncomingMessage,
    path: string,
    search: string,
    text: string,
  ): { operation: string; reply: Reply | 'reset' } {
    const method = request.method ?? 'GET';
    const matches = ROUTES.flatMap((route) => {
      const match = route[1].exec(path);
      return match ? [{ route, id: decodeURIComponent(match[1] ?? '') }] : [];
    });
    const chosen = matches.find(({ route }) => route[0] === method);
    const operation = chosen?.route[2] ?? 'other';
    if (Math.random() < options.resetBefore) return { operation, reply: 'reset' };
    if (path === '/v1/customers' && method === 'POST') {
      const body = parse(text);
      return { operation: 'customer_register', reply: registerCustomer(world, body) };
    }
    if (chosen === undefined)
      return {
        operation,
        reply: failure(
          matches.length > 0 ? 405 : 404,
          matches.length > 0 ? 'method not allowed' : 'not found',
        ),
      };
    const customer = customerOf(world, request.headers.authorization);
    if (customer === null) return { operation, reply: failure(401, 'invalid API key') };
    const waitMs = limited(customer.api_key);
    if (waitMs > 0) return { operation, reply: tooMany(waitMs) };
    letThrough();
    if (Math.random() < options.errorRate) return { operation, reply: failure(500, 'internal error') };
    const body = method === 'POST' ? parse(text) : undefined;
    if (body === INVALID) return { operation, reply: failure(400, 'the body is not JSON') };
    const query = new URLSearchParams(search);
    return { operation, reply: chosen.route[3](world, { customer, body, query, id: chosen.id }) };
  }

  function tooMany(waitMs: number): Reply & { headers: Record<string, string> } {
    const seconds = Math.max(1, Math.ceil(waitMs / 1000));
    const values = {
      none: undefined,
      seconds: String(seconds),
      date: new Date(Date.now() + seconds * 1000).toUTCString(),
    };
    const value = values[options.retryAfter];
    return { ...failure(429, 'rate limited'), headers: value === undefined ? {} : { 'retry-after': value } };
  }

  function control(path: string, text: string, response: ServerResponse): void {
    if (path === '/__sandbox/tasks') listTasks(response);
    else if (path === '/__sandbox/health') send(response, { status: 200, body: { ok: true } });
    else if (path === '/__sandbox/stats') send(response, { status: 200, body: stats() });
    else if (path === '/__sandbox/set') {
      set(parse(text) as Partial<SandboxOptions>);
      send(response, { status: 200, body: options });
    } else send(response, failure(404, 'not found'));
  }

  function listTasks(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/jsonl' });
    for (const { task_id, idempotency_key, data_url, created } of store.tasks.values())
      response.write(
        `${JSON.stringify({ task_id, idempotency_key, data_url, created_at: new Date(created).toISOString() })}\n`,
      );
    response.end();
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!response.headersSent) send(response, failure(500, (error as Error).message));
    });
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${options.host}:${port}`,
    port,
    stats,
    set,
    close() {
      closing ??= new Promise<void>((resolve) => {
        deliveries.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }).then(() => store.close());
      return closing;
    },
  };
}

const failure = (status: number, text: string): Reply => ({ status, body: { error: text } });

function send(response: ServerResponse, { status, body }: Reply, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

const INVALID = Symbol('not JSON');

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return INVALID;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  if (request.method !== 'POST') return '';
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) throw new Error('body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
