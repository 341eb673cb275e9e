import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCallers } from './callers.js';
import { CONTROL_PREFIX, control, HEALTH } from './control.js';
import { type Asked, createRequestHandler } from './handle-request.js';
import { failure, readBody, send } from './http.js';
import { createJobs } from './jobs/runner.js';
import { createSealer, keptKey } from './jobs/seal.js';
import { checkOptions, checkPatch, type LiveOptions, type SandboxOptions } from './options.js';
import { between, happens, randomFrom } from './random.js';
import { createRateLimit } from './rate-limit.js';
import { createCounters, type SandboxStats } from './stats.js';
import { openStore } from './store.js';
import { createDeliveries } from './webhooks.js';

/** How long a client may take. A batch of 64 MiB may come slowly, its headers may not. */
const PATIENCE = {
  keepAliveTimeout: 60_000,
  headersTimeout: 10_000,
  requestTimeout: 120_000,
  connectionsCheckingInterval: 2_000,
};

/** A running local Gateway. */
export interface Sandbox {
  /** `http://host:port` */
  readonly url: string;
  readonly port: number;
  /** Counts since the start; the fields of `GET /__sandbox/stats`. */
  stats(): SandboxStats;
  /** Changes how it behaves from now on. @throws IngestError `usage` that names the option. */
  set(patch: Partial<LiveOptions>): void;
  /** Cuts the connections; what was answered for is in the journal. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the local Gateway: every documented endpoint, and with `control` `/__sandbox/…` to inspect and change it.
 *
 * @param encryptionKey encrypts the credentials of manifest jobs and the secrets of webhooks: 32 bytes in hex, by
 * default `ASG_ENCRYPTION_KEY`. Without one the credentials are lost with the process, and the secrets are sealed with a
 * key beside the journal
 * @throws IngestError `usage` for bad options, `sandbox` for a journal that cannot be understood; `EADDRINUSE`.
 */
export async function startSandbox(
  given: Partial<SandboxOptions> = {},
  encryptionKey: string | undefined = process.env.ASG_ENCRYPTION_KEY,
): Promise<Sandbox> {
  const options = checkOptions(given);
  const sealer = createSealer(encryptionKey);
  // A webhook outlives the process: tasks that name it are refused while it is not registered.
  const webhookSealer = encryptionKey || options.dir === null ? sealer : createSealer(keptKey(options.dir));
  const store = openStore(options.dir, webhookSealer);
  const deliveries = createDeliveries(store, options);
  const limit = createRateLimit(options);
  const counters = createCounters();
  const chance = randomFrom(`${options.seed} faults`);
  const jobs = createJobs({ options, store, deliveries }, sealer);
  const answer = createRequestHandler({ options, store, deliveries, jobs, sealer }, limit, counters, chance);
  const callers = createCallers(options);
  const stats = () => counters.stats({ options, store, deliveries });

  function set(patch: unknown): LiveOptions {
    const checked = checkPatch(patch);
    Object.assign(options, checked);
    if (Object.keys(checked).some((name) => name.startsWith('rateLimit'))) limit.reset();
    return options;
  }

  function act(asked: Asked, request: IncomingMessage, response: ServerResponse): void {
    const { operation, reply } = answer(asked);
    const cut = reply === 'reset' || happens(options.resetAfter, chance);
    counters.call(operation, cut ? 'reset' : reply.status);
    if (cut) request.socket.resetAndDestroy();
    else
      store.journal.whenWritten(() => {
        if (options.latencyAfter.maxMs === 0) send(response, reply);
        else setTimeout(send, between(options.latencyAfter, chance), response, reply);
      });
  }

  const server = createServer(PATIENCE, (request, response) => {
    const { method = 'GET', url = '/' } = request;
    const mark = url.indexOf('?');
    const path = mark === -1 ? url : url.slice(0, mark);
    const search = mark === -1 ? '' : url.slice(mark + 1);
    readBody(request, (text) => {
      const asked = { method, path, search, authorization: request.headers.authorization, text };
      const forControl = path.startsWith(CONTROL_PREFIX) && path !== HEALTH;
      const refusal = callers.refusal(request) ?? (forControl ? callers.controlRefusal(request) : null);
      if (refusal !== null) send(response, failure(403, refusal));
      else if (path.startsWith(CONTROL_PREFIX)) control({ store, stats, set }, asked, response);
      else if (options.latency.maxMs > 0)
        setTimeout(act, between(options.latency, chance), asked, request, response);
      else act(asked, request, response);
    });
  });

  try {
    server.listen(options.port, options.host);
    await once(server, 'listening');
  } catch (error) {
    store.journal.close();
    await deliveries.close();
    throw error;
  }
  // Results from before this start have been delivered, or are lost.
  const now = Date.now();
  for (const task of store.tasks) if (task.settles > now) deliveries.schedule(task);

  for (const job of store.jobs.values()) if (job.end === null) jobs.start(job);

  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await Promise.all([closed, deliveries.close(), jobs.close()]);
    store.journal.close();
  }
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    port,
    stats,
    set,
    close() {
      closing ??= close();
      return closing;
    },
  };
}
