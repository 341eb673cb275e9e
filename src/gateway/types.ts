import * as z from 'zod';
import type { StoreCredentials } from '../lib/object-stores/credentials.js';
import type { ASGGatewayHTTPError } from './errors.js';

export type Operation =
  | 'submit'
  | 'batch'
  | 'task'
  | 'result'
  | 'webhook_register'
  | 'webhook_list'
  | 'webhook_delete'
  | 'job_create'
  | 'job_get'
  | 'customer_register'
  | 'customer'
  | 'usage'
  | 'invoices';

/** One HTTP attempt, reported to observers the moment it ends. */
export interface GatewayCall {
  operation: Operation;
  status: number | 'network_error' | 'timeout';
  durationMs: number;
  /** Lower-case names; empty when no answer came. */
  headers: Readonly<Record<string, string>>;
  /** From `Retry-After`, given in seconds or as an HTTP date. */
  retryAfterMs: number | undefined;
  /** Why no answer came. */
  error?: unknown;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Most time for one attempt, in ms. */
  timeout?: number;
  /** Called once per HTTP attempt, before the call's promise settles. */
  onCall?: (call: GatewayCall) => void;
}

export interface LabelSpec {
  question: string;
  /** At least two. */
  options: string[];
  [more: string]: unknown;
}

export interface SubmitTaskParams {
  /** `image_classification`, `text_classification`, `sentiment`, `moderation`, or what else the server knows. */
  task_type: string;
  data_url: string;
  label_spec: LabelSpec;
  /** 2–10; the server's default is 3. */
  consensus_threshold?: number;
  /** Must equal a registered webhook's. */
  callback_url?: string;
  /** Generated when absent, so that the client's own retries are safe. */
  idempotency_key?: string;
}

const stamp = z.union([z.string(), z.number()]);
const text = z.string();
const maybe = <T extends z.ZodType>(type: T) => type.nullish();

/** A task is asked for by its id in a path: one that would lead elsewhere is no id. */
const taskId = text.refine((id) => id.trim() !== '' && id !== '.' && id !== '..', 'is no id of a task');

export const submitAnswer = z.looseObject({
  task_id: taskId,
  status: text,
  created_at: maybe(stamp),
  idempotent: maybe(z.boolean()),
});
/**
 * The task that the Gateway made, or found under the same idempotency key (`idempotent: true`).
 * @interface
 */
export type SubmitTaskResult = z.infer<typeof submitAnswer>;

export const batchAnswer = z.looseObject({ batch_id: text, task_count: z.number(), status: text });
/**
 * What the Gateway answers to one batch. The documented answer names no task.
 * @interface
 */
export type BatchAnswer = z.infer<typeof batchAnswer>;

export interface SubmitBatchParams {
  /** Any number: each call carries 1,000 at most. A task without an idempotency key gets one. */
  tasks: SubmitTaskParams[];
  /** The callback URL of tasks that name none. Must equal a registered webhook's. */
  callback_url?: string;
}

/** A task that the Gateway took. `index` is its place in `tasks`. */
export interface BatchTask {
  index: number;
  idempotency_key: string;
  batch_id: string;
  /** Null unless the answer held it or `resolveIds` asked for it: the documented answer holds none. */
  task_id: string | null;
}

/** A task that the Gateway refused by itself, with the reason. */
export interface RejectedTask {
  index: number;
  idempotency_key: string;
  error: ASGGatewayHTTPError;
}

/** The first answer's fields, `task_count` of all accepted tasks, and what became of each task. */
export type SubmitBatchResult = BatchAnswer & {
  batches: BatchAnswer[];
  submitted: BatchTask[];
  rejected: RejectedTask[];
};

export const taskAnswer = z.looseObject({
  task_id: text,
  status: text,
  task_type: maybe(text),
  data_url: maybe(text),
  created_at: maybe(stamp),
});
/**
 * A task as the Gateway has it, without its label.
 * @interface
 */
export type Task = z.infer<typeof taskAnswer>;

const settlement = z.looseObject({
  bsv_txid: maybe(text),
  total_cost_sats: maybe(z.number()),
  settled_at: maybe(stamp),
});

const rawResult = z.looseObject({
  task_id: text,
  status: text,
  consensus_label: maybe(text),
  confidence: maybe(z.number()),
  worker_count: maybe(z.number()),
  agreement_count: maybe(z.number()),
  created_at: maybe(stamp),
  settled_at: maybe(stamp),
  bsv_txid: maybe(text),
  cost_sats: maybe(z.number()),
  settlement: maybe(settlement),
});
/**
 * A result as the server sent it. Times are ISO strings or epoch numbers; costs are in satoshis.
 * @interface
 */
export type RawResult = z.infer<typeof rawResult>;

/** A task's result: the flat fields and `settlement` both, whichever the server sent. */
export type SettledResult = RawResult & {
  settlement: { bsv_txid: string | null; total_cost_sats: number | null; settled_at: string | number | null };
};

export const pendingAnswer = z
  .looseObject({ status: maybe(text), message: maybe(text) })
  .transform((body): PendingResult => ({ ...body, status: 'in_progress' }));
/** The answer to a poll that came too early (202). */
export type PendingResult = {
  status: 'in_progress';
  message?: string | null | undefined;
  [more: string]: unknown;
};
export type ResultAnswer = PendingResult | SettledResult;

const WAITING: ReadonlySet<string> = new Set(['pending', 'in_progress']);
/** The status alone decides, since some servers send it with 200. */
export function isPending(answer: ResultAnswer): answer is PendingResult {
  return WAITING.has(answer.status);
}

export const webhookAnswer = z.looseObject({
  webhook_id: text,
  callback_url: text,
  events: maybe(z.array(text)),
  active: maybe(z.boolean()),
});
/**
 * A registered webhook. The Gateway never sends its secret back.
 * @interface
 */
export type Webhook = z.infer<typeof webhookAnswer>;
/** Documented as a list; one inside an object is understood too. */
export const webhooksAnswer = z.union([
  z.array(webhookAnswer),
  z.looseObject({ webhooks: z.array(webhookAnswer) }).transform(({ webhooks }) => webhooks),
]);

export const jobAnswer = z.looseObject({ job_id: text, status: text });
/**
 * A job that the Gateway makes of a whole manifest. Its answer may hold more fields.
 * @interface
 */
export type ManifestJob = z.infer<typeof jobAnswer>;

export type JobCredentials = StoreCredentials;

export interface CreateJobParams {
  manifest_url: string;
  label_spec: LabelSpec;
  task_type?: string;
  consensus_threshold?: number;
  callback_url?: string;
  /** Credentials for `s3://` and `gs://`. No error of the client repeats them. */
  credentials?: JobCredentials;
  delivery?: { type: 's3'; bucket: string };
}

export const registrationAnswer = z.looseObject({
  customer_id: text,
  api_key: text,
  tier: maybe(text),
  label_quota: maybe(z.number()),
  message: maybe(text),
});
/**
 * A new customer. `api_key` is shown only this once.
 * @interface
 */
export type Registration = z.infer<typeof registrationAnswer>;

export const customerAnswer = z.looseObject({
  customer_id: text,
  name: maybe(text),
  email: maybe(text),
  tier: maybe(text),
  label_quota: z.number(),
  created_at: maybe(stamp),
  api_key_hint: maybe(text),
});
/**
 * The account of the API key. `label_quota` is how many labels it may still buy.
 * @interface
 */
export type Customer = z.infer<typeof customerAnswer>;

export const usageAnswer = z.looseObject({
  month: text,
  tasks_settled: z.number(),
  total_cost_sats: z.number(),
  daily_breakdown: maybe(z.array(z.looseObject({ date: text, tasks: z.number(), cost_sats: z.number() }))),
});
/**
 * Labels settled in one month (`YYYY-MM`), and their cost in satoshis.
 * @interface
 */
export type Usage = z.infer<typeof usageAnswer>;

export const invoicesAnswer = z.looseObject({
  invoices: z.array(z.looseObject({ month: text, status: text })),
});
/**
 * The invoices of the account, one a month.
 * @interface
 */
export type Invoices = z.infer<typeof invoicesAnswer>;

/** Fills the flat fields and `settlement` from each other. */
function bothShapes(raw: RawResult): SettledResult {
  const nested = raw.settlement ?? {};
  const bsv_txid = raw.bsv_txid ?? nested.bsv_txid ?? null;
  const cost_sats = raw.cost_sats ?? nested.total_cost_sats ?? null;
  const settled_at = raw.settled_at ?? nested.settled_at ?? null;
  return {
    ...raw,
    bsv_txid,
    cost_sats,
    settled_at,
    settlement: { ...nested, bsv_txid, total_cost_sats: cost_sats, settled_at },
  };
}

export const settledAnswer = rawResult.transform(bothShapes);
