import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { VERSION } from '../version.js';
import { checkApiKey, parseBaseUrl, positive, segment, toJson } from './checks.js';
import { ASGGatewayError, ASGTimeoutError } from './errors.js';
import { type Attempt, createHttp, type Http } from './http.js';
import { DEFAULT_RETRY, type RetryPolicy, retryDelayMs } from './retry.js';
import * as t from './types.js';
import { startDeadline, wait } from './wait.js';

export interface ClientOptions {
  apiKey?: string;
  /** Default `https://api.asgrefinery.io`; may have a path, and may end in a slash. */
  baseUrl?: string;
  /** Most time for one attempt, in ms. Default 30,000. */
  timeout?: number;
  /**
   * Default: 4 attempts with full jitter; `false` makes each call once. `createJob` and `registerCustomer`, which have
   * no idempotency key, are repeated only when the Gateway cannot have acted.
   */
  retry?: false | Partial<RetryPolicy>;
  /** Told of every HTTP attempt. What it throws becomes a process warning. */
  onCall?: (call: t.GatewayCall) => void;
  /** Most connections. Default 256. */
  connections?: number;
}

export interface PollResultOptions extends t.CallOptions {
  /** Most time in all, in ms. Default 300,000. (One attempt takes the client's timeout.) */
  timeout?: number;
  /** Wait between polls, in ms. Default 5,000. */
  interval?: number;
  /** `verified` (default): the first result counts. `settled`: a verified one is polled on until it is paid. */
  until?: 'verified' | 'settled';
}

const BASE_URL = 'https://api.asgrefinery.io';
const TIMEOUT_MS = 30_000;

/**
 * The ASG Gateway's API. Parameters and answers carry the Gateway's own field names. Every method rejects with an
 * `ASGGatewayError`: `ASGGatewayHTTPError` for 4xx and 5xx, `ASGTimeoutError`, `ASGNetworkError`, `ASGResponseError`;
 * an aborted signal rejects with its own reason.
 */
export class ASGGatewayClient {
  readonly #http: Http;
  readonly #apiKey: string | undefined;
  readonly #timeout: number;
  readonly #retry: RetryPolicy;
  readonly #onCall: ((call: t.GatewayCall) => void) | undefined;
  readonly #closing = new AbortController();

  constructor(options: ClientOptions = {}) {
    this.#apiKey = checkApiKey(options.apiKey);
    this.#timeout = positive('timeout', options.timeout ?? TIMEOUT_MS);
    this.#retry =
      options.retry === false ? { ...DEFAULT_RETRY, attempts: 1 } : { ...DEFAULT_RETRY, ...options.retry };
    this.#http = createHttp(parseBaseUrl(options.baseUrl ?? BASE_URL), {
      connections: positive('connections', options.connections ?? 256),
      secret: this.#apiKey,
    });
    this.#onCall = options.onCall;
  }

  /** 202: a new task. 200 with `idempotent: true`: the key was known, and nothing was charged. */
  submitTask(params: t.SubmitTaskParams, options?: t.CallOptions): Promise<t.SubmitTaskResult> {
    return this.#post('submit', '/v1/tasks', wireTask(params), t.submitAnswer, options);
  }

  /** At most 1,000 tasks. The documented answer holds no task ids. */
  submitBatch(
    params: { tasks: t.SubmitTaskParams[]; callback_url?: string },
    options?: t.CallOptions,
  ): Promise<t.SubmitBatchResult> {
    const { tasks, ...rest } = params;
    return this.#post(
      'batch',
      '/v1/tasks/batch',
      { ...rest, tasks: tasks.map(wireTask) },
      t.batchAnswer,
      options,
    );
  }

  async getTask(task_id: string, options?: t.CallOptions): Promise<t.Task> {
    return this.#get('task', `/v1/tasks/${segment('task_id', task_id)}`, t.taskAnswer, options);
  }

  /** `status: 'in_progress'` while the task is still being labeled (202). */
  async getResult(task_id: string, options?: t.CallOptions): Promise<t.ResultAnswer> {
    const path = `/v1/tasks/${segment('task_id', task_id)}/result`;
    const schema = (status: number): z.ZodType<t.ResultAnswer> =>
      status === 202 ? t.pendingAnswer : t.settledAnswer;
    return this.#call({ operation: 'result', method: 'GET', path, schema }, options);
  }

  /** Polls until there is a result. Rejects with `ASGTimeoutError` when there is none within `timeout`. */
  async pollResult(task_id: string, options: PollResultOptions = {}): Promise<t.SettledResult> {
    const { timeout = 300_000, interval = 5_000, until = 'verified', signal, onCall } = options;
    const deadline = startDeadline(
      positive('timeout', timeout),
      signal,
      (cause) => new ASGTimeoutError(`task ${task_id}: no result within ${timeout} ms`, { cause }),
    );
    try {
      for (;;) {
        const answer = await this.getResult(task_id, { signal: deadline.signal, ...(onCall && { onCall }) });
        const waiting = t.isPending(answer) || (until === 'settled' && answer.status === 'verified');
        if (!waiting) return answer;
        await wait(interval, [deadline.signal, this.#closing.signal]);
      }
    } finally {
      deadline.clear();
    }
  }

  /** `events` is `['task.settled']` by default. */
  registerWebhook(
    params: { callback_url: string; secret: string; events?: string[] },
    options?: t.CallOptions,
  ): Promise<t.Webhook> {
    return this.#post('webhook_register', '/v1/webhooks', params, t.webhookAnswer, options);
  }

  listWebhooks(options?: t.CallOptions): Promise<t.Webhook[]> {
    return this.#get('webhook_list', '/v1/webhooks', t.webhooksAnswer, options);
  }

  async deleteWebhook(webhook_id: string, options?: t.CallOptions): Promise<void> {
    const path = `/v1/webhooks/${segment('webhook_id', webhook_id)}`;
    await this.#call({ operation: 'webhook_delete', method: 'DELETE', path, schema: () => null }, options);
  }

  createJob(params: t.CreateJobParams, options?: t.CallOptions): Promise<t.ManifestJob> {
    return this.#post('job_create', '/v1/jobs', params, t.jobAnswer, options);
  }

  async getJob(job_id: string, options?: t.CallOptions): Promise<t.ManifestJob> {
    return this.#get('job_get', `/v1/jobs/${segment('job_id', job_id)}`, t.jobAnswer, options);
  }

  /** Needs no key; the answer's `api_key` is shown this once. */
  registerCustomer(
    params: { name: string; email: string },
    options?: t.CallOptions,
  ): Promise<t.Registration> {
    return this.#post('customer_register', '/v1/customers', params, t.registrationAnswer, options);
  }

  getCustomer(options?: t.CallOptions): Promise<t.Customer> {
    return this.#get('customer', '/v1/customers/me', t.customerAnswer, options);
  }

  /** `month` as `YYYY-MM`; the present one by default. */
  getUsage(params: { month?: string } = {}, options?: t.CallOptions): Promise<t.Usage> {
    const query = params.month === undefined ? '' : `?month=${encodeURIComponent(params.month)}`;
    return this.#get('usage', `/v1/billing/usage${query}`, t.usageAnswer, options);
  }

  getInvoices(options?: t.CallOptions): Promise<t.Invoices> {
    return this.#get('invoices', '/v1/billing/invoices', t.invoicesAnswer, options);
  }

  /** Closes the connections. Calls under way, and waits between attempts, end with an error; later calls too. */
  close(): Promise<void> {
    this.#closing.abort(new ASGGatewayError('the client is closed', 'closed'));
    return this.#http.close();
  }

  #get<T>(operation: t.Operation, path: string, schema: z.ZodType<T>, options?: t.CallOptions): Promise<T> {
    return this.#call({ operation, method: 'GET', path, schema: () => schema }, options);
  }

  async #post<T>(
    operation: t.Operation,
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    options?: t.CallOptions,
  ): Promise<T> {
    return this.#call({ operation, method: 'POST', path, body: toJson(body), schema: () => schema }, options);
  }

  async #call<T>(call: Omit<Attempt<T>, 'headers'>, options: t.CallOptions = {}): Promise<T> {
    const attempt = { ...call, headers: this.#headers(call) };
    const timeout = positive('timeout', options.timeout ?? this.#timeout);
    const observers = [this.#onCall, options.onCall];
    const closing = this.#closing.signal;
    for (let n = 1; ; n += 1) {
      options.signal?.throwIfAborted();
      closing.throwIfAborted();
      try {
        return await this.#http.attempt(attempt, {
          timeout,
          ...(options.signal && { signal: options.signal }),
          observers,
        });
      } catch (error) {
        if (options.signal?.aborted || closing.aborted)
          throw options.signal?.aborted ? error : closing.reason;
        const delay = retryDelayMs(error, { operation: call.operation, attempt: n }, this.#retry);
        if (delay === null) throw error;
        await wait(delay, [options.signal, closing]);
      }
    }
  }

  #headers({ operation, body }: Pick<Attempt<unknown>, 'operation' | 'body'>): Record<string, string> {
    const known = this.#apiKey !== undefined && operation !== 'customer_register';
    return {
      accept: 'application/json',
      'user-agent': `asg-ingest/${VERSION}`,
      ...(known ? { authorization: `Bearer ${this.#apiKey}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
  }
}

/** The Gateway calls it `type`; a key is made up where none is given, so that a retry cannot buy twice. */
function wireTask({ task_type, idempotency_key, ...rest }: t.SubmitTaskParams) {
  return { type: task_type, ...rest, idempotency_key: idempotency_key || randomUUID() };
}
