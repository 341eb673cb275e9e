import type { z } from 'zod';
import { submitInBatches, withKey } from './batch.js';
import { checkApiKey, parseBaseUrl, positive, segment, toJson } from './checks.js';
import { secretsOfCredentials } from './credentials.js';
import { ASGGatewayError, ASGTimeoutError } from './errors.js';
import { type Attempt, createHttp, type Http } from './http.js';
import { hasEnded } from './job-status.js';
import { DEFAULT_RETRY, type RetryPolicy, retryDelayMs } from './retry.js';
import * as t from './types.js';
import { startDeadline, wait } from './wait.js';

/** Each has a default, so `new ASGGatewayClient()` works for calls that need no key. */
export interface ClientOptions {
  apiKey?: string;
  /** Default `https://api.asgrefinery.io`; may have a path, and may end in a slash or in `/v1`. */
  baseUrl?: string;
  /** Most time for one attempt, in ms. Default 30,000. */
  timeout?: number;
  /**
   * Default: 4 attempts with full jitter; `false` makes each call once. `createJob` and `registerCustomer`, which have
   * no idempotency key, are repeated only when the Gateway cannot have acted.
   */
  retry?: false | Partial<RetryPolicy>;
  /** Called for every HTTP attempt. If it throws, the error becomes a process warning. */
  onCall?: (call: t.GatewayCall) => void;
  /** Most connections. Default 256. */
  connections?: number;
  /** Use no proxy, even if `HTTP_PROXY` or `HTTPS_PROXY` is set. Default false. */
  direct?: boolean;
}

export interface PollResultOptions extends t.CallOptions {
  /** Most time in all, in ms. Default 300,000. (One attempt takes the client's timeout.) */
  timeout?: number;
  /** Wait between polls, in ms. Default 5,000. */
  interval?: number;
  /** `verified` (default): the first result counts. `settled`: a verified one is polled on until it is paid. */
  until?: 'verified' | 'settled';
}

export interface SubmitBatchOptions extends t.CallOptions {
  /**
   * Learn the task ids that the answers left out. Each such task is submitted again alone under its key (200, not
   * charged): one more call a task. Default false.
   */
  resolveIds?: boolean;
}

export interface WaitForJobOptions extends t.CallOptions {
  /** Most time in all, in ms. Default 86,400,000 (a day). (One attempt takes the client's timeout.) */
  timeout?: number;
  /** Wait between polls, in ms. Default 5,000. */
  interval?: number;
  /** Called for each answer. */
  onJob?: (job: t.ManifestJob) => void;
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
      direct: options.direct,
    });
    this.#onCall = options.onCall;
  }

  /** 202: a new task. 200 with `idempotent: true`: the key was known, and nothing was charged. */
  submitTask(params: t.SubmitTaskParams, options?: t.CallOptions): Promise<t.SubmitTaskResult> {
    return this.#post('submit', '/v1/tasks', wireTask(params), t.submitAnswer, options);
  }

  /**
   * Any number of tasks, 1,000 a call, each under an idempotency key. A batch that the Gateway refuses (400, 413, 422)
   * is halved until the tasks at fault are alone: those are in `rejected`, the others are bought.
   *
   * Rejects with the Gateway's error when no task was accepted, with an `ASGBatchError` when some were and the rest
   * could not be sent. Give the tasks keys of your own where you may repeat the call after a lost answer.
   */
  submitBatch(params: t.SubmitBatchParams, options: SubmitBatchOptions = {}): Promise<t.SubmitBatchResult> {
    const { resolveIds = false, ...call } = options;
    const { tasks, ...shared } = params;
    return submitInBatches(tasks, resolveIds, {
      submit: (some) =>
        this.#post('batch', '/v1/tasks/batch', { ...shared, tasks: some.map(wireTask) }, t.batchAnswer, call),
      submitAlone: (task) => this.submitTask({ ...shared, ...task }, call),
    });
  }

  /** The task as it stands, without its result (`GET /v1/tasks/{id}`). An id that is no path segment is refused at once. */
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
  pollResult(task_id: string, options: PollResultOptions = {}): Promise<t.SettledResult> {
    const { timeout = 300_000, interval = 5_000, until = 'verified' } = options;
    return this.#poll(`task ${task_id}: no result`, { ...options, timeout, interval }, async (call) => {
      const answer = await this.getResult(task_id, call);
      if (t.isPending(answer)) return null;
      return until === 'settled' && answer.status === 'verified' ? null : answer;
    });
  }

  /** `events` is `['task.settled']` by default. */
  registerWebhook(
    params: { callback_url: string; secret: string; events?: string[] },
    options?: t.CallOptions,
  ): Promise<t.Webhook> {
    const secrets = [params.secret];
    return this.#post('webhook_register', '/v1/webhooks', params, t.webhookAnswer, options, secrets);
  }

  /** All webhooks of the key (`GET /v1/webhooks`). */
  listWebhooks(options?: t.CallOptions): Promise<t.Webhook[]> {
    return this.#get('webhook_list', '/v1/webhooks', t.webhooksAnswer, options);
  }

  /** Removes a webhook (`DELETE /v1/webhooks/{id}`). */
  async deleteWebhook(webhook_id: string, options?: t.CallOptions): Promise<void> {
    const path = `/v1/webhooks/${segment('webhook_id', webhook_id)}`;
    await this.#call({ operation: 'webhook_delete', method: 'DELETE', path, schema: () => null }, options);
  }

  /** The Gateway reads the manifest itself. Not repeated after a lost answer: there is no idempotency key. */
  createJob(params: t.CreateJobParams, options?: t.CallOptions): Promise<t.ManifestJob> {
    const secrets = secretsOfCredentials(params.credentials);
    return this.#post('job_create', '/v1/jobs', params, t.jobAnswer, options, secrets);
  }

  /** A manifest job as it stands (`GET /v1/jobs/{id}`). */
  async getJob(job_id: string, options?: t.CallOptions): Promise<t.ManifestJob> {
    return this.#get('job_get', `/v1/jobs/${segment('job_id', job_id)}`, t.jobAnswer, options);
  }

  /**
   * Polls until the job has ended, well or not: its `status` says how. Rejects with `ASGTimeoutError` when it has not
   * within `timeout`. The Gateway does not document its statuses; an unknown one counts as going on.
   */
  waitForJob(job_id: string, options: WaitForJobOptions = {}): Promise<t.ManifestJob> {
    const { timeout = 86_400_000, interval = 5_000, onJob } = options;
    return this.#poll(`job ${job_id}: not ended`, { ...options, timeout, interval }, async (call) => {
      const job = await this.getJob(job_id, call);
      onJob?.(job);
      return hasEnded(job.status) ? job : null;
    });
  }

  /** Needs no key; the answer's `api_key` is shown this once. */
  registerCustomer(
    params: { name: string; email: string },
    options?: t.CallOptions,
  ): Promise<t.Registration> {
    return this.#post('customer_register', '/v1/customers', params, t.registrationAnswer, options);
  }

  /** The account of the key, with its label quota (`GET /v1/customers/me`). */
  getCustomer(options?: t.CallOptions): Promise<t.Customer> {
    return this.#get('customer', '/v1/customers/me', t.customerAnswer, options);
  }

  /** `month` as `YYYY-MM`; the present one by default. */
  getUsage(params: { month?: string } = {}, options?: t.CallOptions): Promise<t.Usage> {
    const query = params.month === undefined ? '' : `?month=${encodeURIComponent(params.month)}`;
    return this.#get('usage', `/v1/billing/usage${query}`, t.usageAnswer, options);
  }

  /** One invoice for each month (`GET /v1/billing/invoices`). */
  getInvoices(options?: t.CallOptions): Promise<t.Invoices> {
    return this.#get('invoices', '/v1/billing/invoices', t.invoicesAnswer, options);
  }

  /** Closes the connections. Calls under way, and waits between attempts, end with an error; later calls too. */
  close(): Promise<void> {
    this.#closing.abort(new ASGGatewayError('the client is closed', 'closed'));
    return this.#http.close();
  }

  /** Calls `look` until it finds something; `timeout` is the total time. */
  async #poll<T>(
    what: string,
    { timeout, interval, signal, onCall }: t.CallOptions & { timeout: number; interval: number },
    look: (call: t.CallOptions) => Promise<T | null>,
  ): Promise<T> {
    const timedOut = (cause: unknown) => new ASGTimeoutError(`${what} within ${timeout} ms`, { cause });
    const deadline = startDeadline(positive('timeout', timeout), signal, timedOut);
    const call = { signal: deadline.signal, ...(onCall && { onCall }) };
    try {
      for (;;) {
        const found = await look(call);
        if (found !== null) return found;
        await wait(interval, [deadline.signal, this.#closing.signal]);
      }
    } finally {
      deadline.clear();
    }
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
    secrets?: readonly string[],
  ): Promise<T> {
    const call = { operation, method: 'POST' as const, path, body: toJson(body), secrets };
    return this.#call({ ...call, schema: () => schema }, options);
  }

  async #call<T>(attempt: Attempt<T>, options: t.CallOptions = {}): Promise<T> {
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
        const delay = retryDelayMs(error, { operation: attempt.operation, attempt: n }, this.#retry);
        if (delay === null) throw error;
        await wait(delay, [options.signal, closing]);
      }
    }
  }
}

/** The Gateway calls it `type`; a key is made up where none is given, so that a retry cannot buy twice. */
function wireTask(params: t.SubmitTaskParams) {
  const { task_type, ...rest } = withKey(params);
  return { type: task_type, ...rest };
}
