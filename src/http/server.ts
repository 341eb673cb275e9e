import { timingSafeEqual } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { usageError } from '../errors.js';

/** One subject of the port: adds its routes. Parts do not know each other. */
export type HttpPart = (app: FastifyInstance) => unknown;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without the token: it says nothing of the runs. */
    open?: boolean;
  }
}

export interface HttpOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** The option that names the port, for the message when it cannot be had. Default `--metrics-port`. */
  option?: '--metrics-port' | '--webhook-port';
  /** What a request must carry, as a bearer token or as the password of any user; null: nothing. */
  token: string | null;
  log: Logger;
  parts: readonly HttpPart[];
}

export interface HttpServer {
  /** `http://host:port`, with the port that was taken. */
  readonly url: string;
  /** Answers no more; requests that are being answered are cut off. Idempotent. */
  close(): Promise<void>;
}

/**
 * Listens, and answers with what the parts have registered.
 *
 * @throws IngestError `usage` when the address cannot be listened on
 */
export async function openHttpServer({
  host,
  port,
  option = '--metrics-port',
  token,
  log,
  parts,
}: HttpOptions): Promise<HttpServer> {
  // Most commands listen on no port, and start sooner without it.
  const { fastify } = await import('fastify');
  const app = fastify({ forceCloseConnections: true });
  app.addHook('onRequest', async (request, reply) => {
    if (token === null || request.routeOptions.config.open || carries(request, token)) return;
    return reply
      .code(401)
      .header('www-authenticate', 'Basic realm="asg-ingest", charset="UTF-8"')
      .send('a token is needed: Authorization: Bearer <token>, or any user with it as the password\n');
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

function carries({ headers }: FastifyRequest, token: string): boolean {
  const [scheme = '', value = ''] = (headers.authorization ?? '').split(/ +/, 2);
  if (/^bearer$/i.test(scheme)) return same(value, token);
  if (!/^basic$/i.test(scheme)) return false;
  const pair = Buffer.from(value, 'base64').toString();
  return pair.includes(':') && same(pair.slice(pair.indexOf(':') + 1), token);
}

function same(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
