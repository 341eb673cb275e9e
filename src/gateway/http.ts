import type { z } from 'zod';
import { maskerOf } from '../mask.js';
import { isLocalTrouble } from '../net/local-trouble.js';
import { poolTo } from '../net/proxy.js';
import { textOf } from './body.js';
import { ASGNetworkError, ASGResponseError, ASGTimeoutError, httpError } from './errors.js';
import { parseRetryAfter } from './rate-limit-headers.js';
import type { CallOptions, GatewayCall, Operation } from './types.js';
import { startDeadline } from './wait.js';

export interface Attempt<T> {
  operation: Operation;
  method: 'GET' | 'POST' | 'DELETE';
  /** Below the base URL, starting with a slash. */
  path: string;
  /** JSON. */
  body?: string | undefined;
  headers: Record<string, string>;
  /** What the body holds that no error may repeat, whatever the server answers. */
  secrets?: readonly string[] | undefined;
  /** What the answer must look like, by status where that matters; null when its body says nothing. */
  schema: (status: number) => z.ZodType<T> | null;
}

export interface AttemptOptions {
  signal?: AbortSignal;
  /** ms. */
  timeout: number;
  observers: readonly CallOptions['onCall'][];
}

export interface Http {
  /** Observers are told once, when the attempt ends; a cut-off by the caller's signal counts as `network_error`. */
  attempt<T>(attempt: Attempt<T>, options: AttemptOptions): Promise<T>;
  close(): Promise<void>;
}

/** One keep-alive pool to the Gateway's origin; the base URL's path is put before every call's. */
export function createHttp(
  baseUrl: URL,
  options: { connections: number; secret: string | undefined; direct?: boolean | undefined },
): Http {
  const pool = poolTo(baseUrl.origin, {
    connections: options.connections,
    keepAliveTimeout: 30_000,
    direct: options.direct ?? false,
  });
  const prefix = baseUrl.pathname.replace(/\/+$/, '');
  const own = options.secret === undefined ? [] : [options.secret];
  const redactOwn = maskerOf(own, '[redacted]');

  async function send(attempt: Attempt<unknown>, { signal, timeout }: AttemptOptions) {
    const where = `${attempt.method} ${prefix}${attempt.path}`;
    const deadline = startDeadline(
      timeout,
      signal,
      (cause) => new ASGTimeoutError(`${where}: no answer within ${timeout} ms`, { cause }),
    );
    try {
      const response = await pool.request({
        origin: baseUrl.origin,
        method: attempt.method,
        path: prefix + attempt.path,
        headers: attempt.headers,
        signal: deadline.signal,
        // The deadline is the only clock.
        headersTimeout: 0,
        bodyTimeout: 0,
        ...(attempt.body === undefined ? {} : { body: attempt.body }),
      });
      const { statusCode: status, body } = response;
      const headers = flat(response.headers);
      const { operation } = attempt;
      // An answer that cannot be taken is an answer: what came of it is told as one.
      const text = await textOf(body, { operation, status, headers }).catch((error: unknown) => {
        if (error instanceof ASGResponseError) return error;
        throw error;
      });
      return { status, headers, text };
    } catch (error) {
      if (deadline.signal.aborted) throw deadline.signal.reason;
      throw new ASGNetworkError(`${where}: ${describe(error)}`, { cause: error });
    } finally {
      deadline.clear();
    }
  }

  function understand<T>(
    attempt: Attempt<T>,
    { status, headers, text }: Raw,
    retryAfter: number | undefined,
  ): T {
    if (text instanceof ASGResponseError) throw text;
    const redact =
      attempt.secrets === undefined ? redactOwn : maskerOf([...own, ...attempt.secrets], '[redacted]');
    if (status >= 400) {
      const safe = redact(text);
      throw httpError(status, parseJson(safe) ?? safe, retryAfter);
    }
    const type = headers['content-type'] === undefined ? undefined : redact(headers['content-type']);
    const fail = (why: string) =>
      new ASGResponseError(`${attempt.operation}: ${why} (HTTP ${status})`, status, type);
    if (status >= 300) throw fail('redirected, which the Gateway never does');
    if (/html/i.test(type ?? '')) throw fail(`the answer is a web page (${type})`);
    const schema = attempt.schema(status);
    if (schema === null) return undefined as T;
    const parsed = parseJson(text);
    if (parsed === undefined) throw fail(`the answer is not JSON but ${type ?? 'of no type'}`);
    const result = schema.safeParse(parsed);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw fail(`the answer has another shape: ${issue?.path.join('.')} ${issue?.message}`);
  }

  return {
    async attempt(attempt, attemptOptions) {
      const started = performance.now();
      const told = (status: GatewayCall['status'], headers: Record<string, string>, error?: unknown) => {
        const { operation } = attempt;
        const durationMs = performance.now() - started;
        const retryAfterMs = parseRetryAfter(headers['retry-after']);
        for (const observer of attemptOptions.observers)
          tell(observer, {
            operation,
            status,
            durationMs,
            headers,
            retryAfterMs,
            ...(error !== undefined && { error }),
          });
        return retryAfterMs;
      };
      let raw: Raw;
      try {
        raw = await send(attempt, attemptOptions);
      } catch (error) {
        // What this machine lacks is no sign of the Gateway's: nobody is told of a call that never left.
        if (!isLocalTrouble(error))
          told(error instanceof ASGTimeoutError ? 'timeout' : 'network_error', {}, error);
        throw error;
      }
      return understand(attempt, raw, told(raw.status, raw.headers));
    },
    close: () => pool.destroy(),
  };
}

/** No header that is read here is longer; of what is, the start is read. */
const LONGEST_HEADER = 1_024;

interface Raw {
  status: number;
  headers: Record<string, string>;
  text: string | ASGResponseError;
}

/** An observer that throws must not turn a bought task into a failed call. */
function tell(onCall: CallOptions['onCall'], call: GatewayCall) {
  try {
    onCall?.(call);
  } catch (error) {
    process.emitWarning(`onCall threw: ${describe(error)}`, { code: 'ASG_ON_CALL' });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Node's error for a name with two addresses that both refuse has a code and no message. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || String((error as { code?: unknown }).code ?? error.name);
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined)
      out[name.toLowerCase()] = (Array.isArray(value) ? value.join(', ') : value).slice(0, LONGEST_HEADER);
  }
  return out;
}
