import { Pool } from 'undici';
import type { z } from 'zod';
import { ASGNetworkError, ASGResponseError, ASGTimeoutError, httpError } from './errors.js';
import { parseRetryAfter } from './retry.js';
import type { CallOptions, GatewayCall, Operation } from './types.js';

export interface Attempt<T> {
  operation: Operation;
  method: 'GET' | 'POST' | 'DELETE';
  /** Below the base URL, starting with a slash. */
  path: string;
  body?: unknown;
  headers: Record<string, string>;
  /** What the answer must look like, by status where that matters. */
  schema: (status: number) => z.ZodType<T> | null;
}

export interface Answer<T> {
  status: number;
  body: T;
}

export interface Http {
  attempt<T>(attempt: Attempt<T>, options: CallOptions & { timeout: number }): Promise<Answer<T>>;
  close(): Promise<void>;
}

/** One keep-alive pool to the Gateway's origin; the base URL's path is put before every call's. */
export function createHttp(baseUrl: URL, connections: number): Http {
  const pool = new Pool(baseUrl.origin, { connections, pipelining: 1, keepAliveTimeout: 30_000 });
  const prefix = baseUrl.pathname.replace(/\/+$/, '');

  async function send(attempt: Attempt<unknown>, options: CallOptions & { timeout: number }) {
    const timeout = AbortSignal.timeout(options.timeout);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    try {
      const response = await pool.request({
        method: attempt.method,
        path: prefix + attempt.path,
        headers: attempt.headers,
        signal,
        // The per-call timeout above is the only clock.
        headersTimeout: 0,
        bodyTimeout: 0,
        ...(attempt.body === undefined ? {} : { body: JSON.stringify(attempt.body) }),
      });
      return {
        status: response.statusCode,
        headers: flat(response.headers),
        text: await response.body.text(),
      };
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      const where = `${attempt.method} ${prefix}${attempt.path}`;
      if (timeout.aborted)
        throw new ASGTimeoutError(`${where}: no answer within ${options.timeout} ms`, { cause: error });
      throw new ASGNetworkError(`${where}: ${(error as Error).message}`, { cause: error });
    }
  }

  return {
    async attempt(attempt, options) {
      const started = performance.now();
      const told = (status: GatewayCall['status'], headers: Record<string, string>) => {
        const retryAfterMs = parseRetryAfter(headers['retry-after']);
        options.onCall?.({
          operation: attempt.operation,
          status,
          durationMs: performance.now() - started,
          headers,
          retryAfterMs,
        });
        return retryAfterMs;
      };
      const raw = await send(attempt, options).catch((error: unknown) => {
        told(error instanceof ASGTimeoutError ? 'timeout' : 'network_error', {});
        throw error;
      });
      const retryAfter = told(raw.status, raw.headers);
      return { status: raw.status, body: understand(attempt, raw, retryAfter) };
    },
    close: () => pool.destroy(),
  };
}

interface Raw {
  status: number;
  headers: Record<string, string>;
  text: string;
}

function understand<T>(
  attempt: Attempt<T>,
  { status, headers, text }: Raw,
  retryAfter: number | undefined,
): T {
  const parsed = parseJson(text);
  if (status >= 400) throw httpError(status, parsed ?? text, retryAfter);
  const schema = attempt.schema(status);
  if (schema === null) return undefined as T;
  const type = headers['content-type'];
  const fail = (why: string) =>
    new ASGResponseError(`${attempt.operation}: ${why} (HTTP ${status})`, status, type);
  if (status >= 300) throw fail('redirected, which the Gateway never does');
  if (parsed === undefined) throw fail(`the answer is not JSON but ${type ?? 'of no type'}`);
  const result = schema.safeParse(parsed);
  if (!result.success)
    throw fail(
      `the answer has another shape: ${result.error.issues[0]?.path.join('.')} ${result.error.issues[0]?.message}`,
    );
  return result.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const flat = (headers: Record<string, string | string[] | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
