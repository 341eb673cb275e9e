import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { VERSION } from '../version.js';
import { ASGGatewayError, ASGTimeoutError } from './errors.js';
import { type Answer, type Attempt, createHttp, type Http } from './http.js';
import { DEFAULT_RETRY, type RetryPolicy, retryDelayMs } from './retry.js';
import * as t from './types.js';

export interface ClientOptions {
  apiKey?: string;
  /** Default `https://api.asgrefinery.io`; may have a path, and may end in a slash. */
  baseUrl?: string;
  /** Most time for one attempt, in ms. Default 30,000. */
  timeout?: number;
  /** Default: 4 attempts with full jitter; `false` makes each call once. */
  retry?: false | Partial<RetryPolicy>;
  /** Told of every HTTP attempt. */
  onCall?: (call: t.GatewayCall) => void;
  /** Most connections. Default 256. */
  connections?: number;
}

export interface PollResultOptions extends t.CallOptions {
  /** Most time in all, in ms. Default 300,000. (One attempt takes the client's timeout.) */
  timeout?: number;
  /** Wait between polls, in ms. Default 5,000. */
  interval?: number;
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

  constructor(options: ClientOptions = {}) {
    const baseUrl = parseBaseUrl(options.baseUrl ?? BASE_URL);
    this.#http = createHttp(baseUrl, options.connections ?? 256);
    this.#apiKey = options.apiKey;
    this.#timeout = options.timeout ?? TIMEOUT_MS;
    this.#retry =
      options.retry === false ? { ...DEFAULT_RETRY, attempts: 1 } : { ...DEFAULT_RETRY, ...options.retry };
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

  getTask(task_id: string, options?: t.CallOptions): Promise<t.Task> {
    return this.#get('task', `/v1/tasks/${encodeURIComponent(task_id)}`, t.taskAnswer, options);
  }

  /** `status: 'in_progress'` while the task is still being labeled (202). */
  async getResult(task_id: string, options?: t.CallOptions): Promise<t.ResultAnswer> {
    type Either = z.infer<typeof t.pendingAnswer> | z.infer<typeof t.resultAnswer>;
    const path = `/v1/tasks/${encodeURIComponent(task_id)}/result`;
    const schema = (status: number): z.ZodType<Either> => (status === 202 ? t.pendingAnswer : t.resultAnswer);
    const answer = await this.#call({ operation: 'result', method: 'GET', path, schema }, options);
    if (answer.status === 202) return { ...answer.body, status: 'in_progress' } as t.PendingResult;
    return t.bothShapes(answer.body as z.infer<typeof t.resultAnswer>);
  }

  /** Polls until there is a result. Rejects with `ASGTimeoutError` when there is none within `timeout`. */
  async pollResult(task_id: string, options: PollResultOptions = {}): Promise<t.SettledResult> {
    const { timeout = 300_000, interval = 5_000, ...call } = options;
    const deadline = Date.now() + timeout;
    for (;;) {
      const left = deadline - Date.now();
      const answer = await this.getResult(task_id, {
        ...call,
        timeout: Math.max(1, Math.min(this.#timeout, left)),
      });
      if (answer.status !== 'in_progress') return answer as t.SettledResult;
      if (Date.now() + interval > deadline)
        throw new ASGTimeoutError(`task ${task_id}: no result within ${timeout} ms`);
      await sleep(interval, undefined, call.signal ? { signal: call.signal } : undefined);
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
    const path = `/v1/webhooks/${encodeURIComponent(webhook_id)}`;
    await this.#call({ operation: 'webhook_delete', method: 'DELETE', path, schema: () => null }, options);
  }

  createJob(params: t.CreateJobParams, options?: t.CallOptions): Promise<t.ManifestJob> {
    return this.#post('job_create', '/v1/jobs', params, t.jobAnswer, options);
  }

  getJob(job_id: string, options?: t.CallOptions): Promise<t.ManifestJob> {
    return this.#get('job_get', `/v1/jobs/${encodeURIComponent(job_id)}`, t.jobAnswer, options);
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

  /** Closes the connections; calls under way are cut off. */
  close(): Promise<void> {
    return this.#http.close();
  }

  async #get<T>(
    operation: t.Operation,
    path: string,
    schema: z.ZodType<T>,
    options?: t.CallOptions,
  ): Promise<T> {
    return (await this.#call({ operation, method: 'GET', path, schema: () => schema }, options)).body;
  }

  async #post<T>(
    operation: t.Operation,
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    options?: t.CallOptions,
  ): Promise<T> {
    return (await this.#call({ operation, method: 'POST', path, body, schema: () => schema }, options)).body;
  }

  async #call<T>(attempt: Omit<Attempt<T>, 'headers'>, options: t.CallOptions = {}): Promise<Answer<T>> {
    const headers = this.#headers(attempt.body !== undefined);
    const onCall = (call: t.GatewayCall) => {
      this.#onCall?.(call);
      options.onCall?.(call);
    };
    for (let n = 1; ; n += 1) {
      options.signal?.throwIfAborted();
      try {
        return await this.#http.attempt(
          { ...attempt, headers },
          { ...options, timeout: options.timeout ?? this.#timeout, onCall },
        );
      } catch (error) {
        const delay = options.signal?.aborted ? null : retryDelayMs(error, n, this.#retry);
        if (delay === null) throw error;
        await sleep(delay, undefined, options.signal ? { signal: options.signal } : undefined);
      }
    }
  }

  #headers(hasBody: boolean): Record<string, string> {
    return {
      accept: 'application/json',
      'user-agent': `asg-ingest/${VERSION}`,
      ...(this.#apiKey === undefined ? {} : { authorization: `Bearer ${this.#apiKey}` }),
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
    };
  }
}

/** The Gateway calls it `type`; a key is made up where none is given, so that a retry cannot buy twice. */
function wireTask({ task_type, idempotency_key, ...rest }: t.SubmitTaskParams) {
  return { type: task_type, ...rest, idempotency_key: idempotency_key ?? randomUUID() };
}

function parseBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new ASGGatewayError(`baseUrl: ${JSON.stringify(text)} is not an http(s) URL`);
  return url;
}
