import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { usageError } from '../lib/errors.js';
import type { Access, Caller } from './access.js';
import { loginPage } from './pages/login-page.js';

/** One subject of the port: adds its routes. Parts do not know each other. */
export type HttpPart = (app: FastifyInstance) => unknown;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for routes that need no token, since they show nothing about runs. */
    open?: boolean;
  }
  interface FastifyRequest {
    /** Null on a port without access rules, and where everyone is answered. */
    caller: Caller | null;
  }
}

export interface HttpOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** The option that names the port, for the message when it cannot be had. Default `--metrics-port`. */
  option?: '--metrics-port' | '--webhook-port';
  /** The callers that get an answer; null: everyone, by any name of the server. */
  access: Access | null;
  log: Logger;
  parts: readonly HttpPart[];
  /** How long a request may take to arrive, headers and body each. Default 10 s. */
  arriveMs?: number;
}

/** A listening server. */
export interface HttpServer {
  /** `http://host:port`, with the port that was taken. */
  readonly url: string;
  /** Answers no more; requests that are being answered are cut off. Idempotent. */
  close(): Promise<void>;
}

const ARRIVE_MS = 10_000;
/** Enough for all scrapers and browser tabs. A further connection gets no answer. */
const MOST_CONNECTIONS = 512;
const ASK = 'a token is needed: Authorization: Bearer <token>, or any user with it as the password\n';
const NOT_OUR_NAME =
  'not a name of this server; --metrics-allow-host <name> adds one, and with ASG_METRICS_TOKEN every name will do\n';

/**
 * Listens, and answers with what the parts have registered.
 *
 * @throws IngestError `usage` when the address cannot be listened on
 */
export async function openHttpServer({
  host,
  port,
  option = '--metrics-port',
  access,
  log,
  parts,
  arriveMs = ARRIVE_MS,
}: HttpOptions): Promise<HttpServer> {
  // Most commands listen on no port, and start sooner without it.
  const { fastify } = await import('fastify');
  const app = fastify({
    forceCloseConnections: true,
    requestTimeout: 2 * arriveMs,
    http: { headersTimeout: arriveMs, connectionsCheckingInterval: Math.ceil(arriveMs / 4) },
  });
  app.server.maxConnections = MOST_CONNECTIONS;
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request, reply) => {
    if (access === null || request.routeOptions.config.open) return;
    const caller = access.check(request.raw);
    if (caller === 'host') return reply.code(403).send(NOT_OUR_NAME);
    if (caller !== 'token') {
      request.caller = caller;
      return;
    }
    // Not `Basic`: browsers would open their own login window.
    reply.code(401).header('www-authenticate', 'Bearer realm="asg-ingest"');
    const { headers, document } = loginPage(request.url);
    return /text\/html/.test(request.headers.accept ?? '')
      ? reply.headers(headers).send(document)
      : reply.send(ASK);
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 503;
    if (status >= 500)
      log.warn({ err: error, path: request.routeOptions.url }, 'a request to the port failed');
    return reply.code(status).send(status >= 500 ? 'not available now\n' : `${error.message}\n`);
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send('not found\n'));
  for (const part of parts) app.register(async (scope) => void (await part(scope)));
  await app.listen({ port, host }).catch(async (error: Error) => {
    await app.close();
    throw usageError(option, `cannot listen on ${host}:${port}: ${error.message}`, {
      hint: `${option} 0 takes a free port`,
      cause: error,
    });
  });
  const { port: taken } = app.server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    close() {
      closing ??= app.close();
      return closing;
    },
  };
}
