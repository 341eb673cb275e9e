import { ASGGatewayHTTPError, ASGNetworkError, ASGTimeoutError } from './errors.js';

export interface RetryPolicy {
  /** Calls in all, the first included. Default 4. */
  attempts: number;
  /** The first wait is a random part of this, in ms; each later one of twice as much. Default 500. */
  baseMs: number;
  /** Longest wait of our own, in ms. Default 30,000. A `Retry-After` may ask for more. */
  maxMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 4, baseMs: 500, maxMs: 30_000 };

/** How long to wait before the next attempt, in ms; null when there is to be none. `attempt` counts from 1. */
export function retryDelayMs(
  error: unknown,
  attempt: number,
  policy: RetryPolicy,
  random: () => number = Math.random,
): number | null {
  if (attempt >= policy.attempts || !isRetryable(error)) return null;
  if (error instanceof ASGGatewayHTTPError && error.retryAfter !== undefined) return error.retryAfter;
  return random() * Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1));
}

/** Network errors, timeouts, 429 and 5xx. */
function isRetryable(error: unknown): boolean {
  if (error instanceof ASGGatewayHTTPError) return error.statusCode === 429 || error.statusCode >= 500;
  return error instanceof ASGNetworkError || error instanceof ASGTimeoutError;
}

/** `Retry-After`, in seconds or as an HTTP date, as ms from `now`; undefined when it is neither. */
export function parseRetryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds < 0 ? undefined : seconds * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
