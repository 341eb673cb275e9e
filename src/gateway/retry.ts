import { ASGGatewayHTTPError, ASGNetworkError, ASGTimeoutError } from './errors.js';
import type { Operation } from './types.js';

/** How calls are repeated that failed with a passing error: 429, 5xx, a broken connection, a timeout. */
export interface RetryPolicy {
  /** Calls in all, the first included. Default 4. */
  attempts: number;
  /** The first wait is a random part of this, in ms; each later one of twice as much. Default 500. */
  baseMs: number;
  /** Longest wait of our own, in ms. Default 30,000. A `Retry-After` may ask for more. */
  maxMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 4, baseMs: 500, maxMs: 30_000 };

/**
 * These carry no idempotency key: repeated after a lost answer, they would buy a whole manifest twice, or lose the
 * one showing of a customer's key.
 */
const NOT_REPEATABLE: ReadonlySet<Operation> = new Set(['job_create', 'customer_register']);

/** The connection was never made, so the Gateway cannot have acted. */
const NEVER_SENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** How long to wait before the next attempt, in ms; null when there is to be none. `attempt` counts from 1. */
export function retryDelayMs(
  error: unknown,
  { operation, attempt }: { operation: Operation; attempt: number },
  policy: RetryPolicy,
  random: () => number = Math.random,
): number | null {
  const retryable = NOT_REPEATABLE.has(operation) ? hasNotActed(error) : isRetryable(error);
  if (attempt >= policy.attempts || !retryable) return null;
  if (error instanceof ASGGatewayHTTPError && error.retryAfter !== undefined) return error.retryAfter;
  return random() * Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1));
}

/** Network errors, timeouts, 429 and 5xx. */
function isRetryable(error: unknown): boolean {
  if (error instanceof ASGGatewayHTTPError) return error.statusCode === 429 || error.statusCode >= 500;
  return error instanceof ASGNetworkError || error instanceof ASGTimeoutError;
}

function hasNotActed(error: unknown): boolean {
  if (error instanceof ASGGatewayHTTPError) return error.statusCode === 429 || error.statusCode === 503;
  const cause =
    error instanceof ASGNetworkError ? (error.cause as { code?: unknown } | undefined) : undefined;
  return NEVER_SENT.has(cause?.code);
}
