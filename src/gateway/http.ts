import type { z } from 'zod';
import { maskerOf } from '../lib/mask.js';
import { isLocalTrouble } from '../lib/net/local-trouble.js';
import { poolTo } from '../lib/net/proxy.js';
import { VERSION } from '../lib/version.js';
import { mostBytesOf, textOf } from './body.js';
import { ASGNetworkError, ASGResponseError, ASGTimeoutError, httpError } from './errors.js';
import { exchange, NoAnswerInTime } from './exchange.js';
import { parseRetryAfter } from './rate-limit-headers.js';
import type { CallOptions, GatewayCall, Operation } from './types.js';

export interface Attempt<T> {
  operation: Operation;
  method: 'GET' | 'POST' | 'DELETE';
  /** Below the base URL, starting with a slash. */
  path: string;
  /** JSON. */
  body?: string | undefined;
  /** The texts in the body that no error may repeat, for any answer of the server. */
  secrets?: readonly string[] | undefined;
  /** The form of the answer, by status where that matters; null when its body says nothing. */
  schema: (status: number) => z.ZodType<T> | null;
}

export interface AttemptOptions {
  signal?: AbortSignal;
  /** ms. */
  timeout: number;
  observers: readonly CallOptions['onCall'][];
}

export interface Http {
  /** Called once for an attempt, when it ends; a cut-off by the caller's signal counts as `network_error`. */
  attempt<T>(attempt: Attempt<T>, options: AttemptOptions): Promise<T>;
  close(): Promise<void>;
}

/** One keep-alive pool to the Gateway's origin; the base URL's path is put before every call's. */
export function createHttp(
  baseUrl: URL,
  options: { connections: number; secret: string | undefined; direct?: boolean | undefined },
): Http {
  const { origin } = baseUrl;
  const pool = poolTo(origin, {
    connections: options.connections,
    keepAliveTimeout: 30_000,
    direct: options.direct ?? false,
  });
  const prefix = baseUrl.pathname.replace(/\/+$/, '');
  const own = options.secret === undefined ? [] : [options.secret];
  const headers = { anonymous: headersOf(undefined), known: headersOf(options.secret) };
  const redactOwn = maskerOf(own, '[redacted]');

  async function send(attempt: Attempt<unknown>, { signal, timeout }: AttemptOptions): Promise<Raw> {
    const { operation, method, body = null } = attempt;
    // A caller who registers has no key yet.
    const { plain, json } = operation === 'customer_register' ? headers.anonymous : headers.known;
    const path = prefix + attempt.path;
    const request = {
      origin,
      method,
      path,
      headers: body === null ? plain : json,
      body,
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    try {
      const answer = await exchange(pool, request, { timeout, signal, mostBytes: mostBytesOf(operation) });
      return { status: answer.status, headers: answer.headers, text: textOf(operation, answer) };
    } catch (error) {
      if (signal?.aborted) throw error;
      const where = `${method} ${path}`;
      if (error instanceof NoAnswerInTime)
        throw new ASGTimeoutError(`${where}: no answer within ${timeout} ms`, { cause: error });
      throw new ASGNetworkError(`${where}: ${describe(error)}`, { cause: error });
    }
  }

  function understand<T>(
    attempt: Attempt<T>,
    { status, headers, text }: Raw,
    retryAfter: number | undefined,
  ): T {
    if (text instanceof ASGResponseError) throw text;
    const redact = (value: string) =>
      attempt.secrets === undefined
        ? redactOwn(value)
        : maskerOf([...own, ...attempt.secrets], '[redacted]')(value);
    if (status >= 400) {
      const safe = redact(text);
      throw httpError(status, parseJson(safe) ?? safe, retryAfter);
    }
    const type = headers['content-type'];
    const fail = (why: string) => {
      const named = type === undefined ? undefined : redact(type);
      return new ASGResponseError(`${attempt.operation}: ${why} (HTTP ${status})`, status, named);
    };
    if (status >= 300) throw fail('redirected, which the Gateway never does');
    if (type !== undefined && /html/i.test(type)) throw fail(`the answer is a web page (${redact(type)})`);
    const schema = attempt.schema(status);
    if (schema === null) return undefined as T;
    const parsed = parseJson(text);
    if (parsed === undefined)
      throw fail(`the answer is not JSON but ${type === undefined ? 'of no type' : redact(type)}`);
    const result = schema.safeParse(parsed);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw fail(`the answer has another shape: ${issue?.path.join('.')} ${issue?.message}`);
  }

  return {
    async attempt(attempt, attemptOptions) {
      const started = performance.now();
      const report = (status: GatewayCall['status'], headers: Record<string, string>, error?: unknown) => {
        const { operation } = attempt;
        const durationMs = performance.now() - started;
        const retryAfterMs = parseRetryAfter(headers['retry-after']);
        const call: GatewayCall = { operation, status, durationMs, headers, retryAfterMs };
        if (error !== undefined) call.error = error;
        for (const observer of attemptOptions.observers) callObserver(observer, call);
        return retryAfterMs;
      };
      let raw: Raw;
      try {
        raw = await send(attempt, attemptOptions);
      } catch (error) {
        // A lack of this machine is no sign of the Gateway's: a call that never left is not reported.
        if (!isLocalTrouble(error))
          report(error instanceof ASGTimeoutError ? 'timeout' : 'network_error', {}, error);
        throw error;
      }
      return understand(attempt, raw, report(raw.status, raw.headers));
    },
    close: () => pool.destroy(),
  };
}

/** The headers of calls without a body, and with one. */
function headersOf(apiKey: string | undefined) {
  const plain = {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': `asg-ingest/${VERSION}`,
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  return { plain, json: { ...plain, 'content-type': 'application/json' } };
}

interface Raw {
  status: number;
  headers: Record<string, string>;
  /** An answer that cannot be read is an answer: it is reported as one. */
  text: string | ASGResponseError;
}

/** An observer that throws must not turn a bought task into a failed call. */
function callObserver(onCall: CallOptions['onCall'], call: GatewayCall) {
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
