import * as z from 'zod';
import { IngestError } from '../lib/errors.js';

const share = z.number().min(0).max(1);
const ms = z.number().min(0);
const evenly = z.strictObject({ minMs: ms, maxMs: ms }).refine(({ minMs, maxMs }) => minMs <= maxMs, {
  error: 'minMs is over maxMs',
});
const lognormal = z
  .strictObject({ medianMs: z.number().positive(), p99Ms: z.number().positive() })
  .refine(({ medianMs, p99Ms }) => medianMs <= p99Ms, { error: 'medianMs is over p99Ms' });

export const DEFAULT_QUOTA = 10_000_000;
const HOUR = 3_600_000;

/** The options that can be changed while it runs. */
const live = {
  /** Calls per second of each key; null for no limit. */
  rateLimit: z.number().positive().nullable().default(null),
  /** Token bucket, fixed window, or sliding window. */
  rateLimitKind: z.enum(['bucket', 'fixed', 'sliding']).default('bucket'),
  /** Calls that a full bucket holds; null for one second's worth. */
  rateLimitBurst: z.number().min(1).nullable().default(null),
  /** Whether a 429 says how long to wait, and how. */
  retryAfter: z.enum(['none', 'seconds', 'date']).default('seconds'),
  /** `RateLimit`, `RateLimit-Policy` and `X-RateLimit-*` on the answers of a limited key. */
  rateLimitHeaders: z.boolean().default(false),
  /** Labels that a key may buy in all; null for ten million. */
  quota: z.number().int().min(0).nullable().default(null),
  /** From submission to settled: evenly spread, or lognormal. */
  settle: z.union([evenly, lognormal]).default({ minMs: 1_000, maxMs: 5_000 }),
  /** How long before it is settled a task is `verified`, at most. */
  verifiedForMs: ms.default(0),
  /** Share of tasks whose labelers keep disagreeing, and how much longer those take. */
  disagreeRate: share.default(0),
  disagreeMs: ms.default(HOUR),
  /** Share of calls answered with 500. */
  errorRate: share.default(0),
  /** Share of calls whose connection is cut before, or after, the Gateway acted. */
  resetBefore: share.default(0),
  resetAfter: share.default(0),
  /** Passes before the Gateway acts, evenly spread. */
  latency: evenly.default({ minMs: 0, maxMs: 0 }),
  /** Passes between the act and its answer, evenly spread: a delivery may come before the submission's answer. */
  latencyAfter: evenly.default({ minMs: 0, maxMs: 0 }),
  /** The place of a result's payment: beside the label, under `settlement`, or in both. */
  settlementShape: z.enum(['flat', 'nested', 'both']).default('both'),
  /** Whether the answer to a batch lists its `task_ids`, which the documentation does not promise. */
  batchTaskIds: z.boolean().default(false),
  /** The waits between the attempts to deliver a webhook. */
  webhookWaitsMs: z.array(ms).default([1_000, 4_000]),
  /** Share of deliveries that are never attempted, and of those that are made twice at once. */
  webhookDrop: share.default(0),
  webhookDuplicate: share.default(0),
  /** From settled to the first attempt, evenly spread. */
  webhookDelay: evenly.default({ minMs: 0, maxMs: 0 }),
  /** The keys that are accepted beside those of registered customers; null for any well-formed one. */
  apiKeys: z.array(z.string()).nullable().default(null),
};

const liveSchema = z.strictObject(live);
const schema = z.strictObject({
  ...live,
  host: z.string().default('127.0.0.1'),
  /** 0 takes a free one. */
  port: z.number().int().min(0).max(65_535).default(8081),
  /** Whether `/__sandbox/…` shows what was bought and changes how it behaves. */
  control: z.boolean().default(false),
  /** Whether jobs without credentials of their own are read and delivered with those of this process. */
  allowOwnCredentials: z.boolean().default(false),
  /** Whether manifests and callbacks may be at loopback, private and link-local addresses. */
  allowInternalAddresses: z.boolean().default(false),
  /** Labels follow from this and the task alone. */
  seed: z.union([z.number(), z.string()]).default(1),
  /** The journal's file; null keeps nothing. */
  dir: z.string().nullable().default(null),
  /** The endpoints of S3 and Google Cloud Storage for manifest jobs; null: those of the environment. */
  s3Endpoint: z.string().nullable().default(null),
  gcsEndpoint: z.string().nullable().default(null),
});

/**
 * How the local Gateway behaves. Times in ms, shares from 0 to 1, rates per second.
 * @interface
 */
export type SandboxOptions = z.infer<typeof schema>;
/**
 * The options that can be changed while the local Gateway runs.
 * @interface
 */
export type LiveOptions = z.infer<typeof liveSchema>;

/** @throws IngestError `usage` that names the option. */
export function checkOptions(given: unknown): SandboxOptions {
  return checked(schema.safeParse(given));
}

/** A change of the options while it runs: only the given ones. @throws IngestError `usage` that names the option. */
export function checkPatch(given: unknown): Partial<LiveOptions> {
  const whole = checked(liveSchema.safeParse(given));
  return Object.fromEntries(
    Object.entries(whole).filter(([name]) => (given as Record<string, unknown>)[name] !== undefined),
  );
}

function checked<T>(result: z.ZodSafeParseResult<T>): T {
  if (result.success) return result.data;
  throw new IngestError('usage', `options of the local Gateway: ${z.prettifyError(result.error)}`);
}
