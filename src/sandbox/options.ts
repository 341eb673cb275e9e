/** How the local Gateway behaves. Times in ms, shares from 0 to 1, rates per second. */
export interface SandboxOptions {
  /** Default 127.0.0.1. */
  host: string;
  /** Default 8081; 0 takes a free one. */
  port: number;
  /** Calls per second of each key; null (default) for no limit. */
  rateLimit: number | null;
  /** Default `bucket`, which holds one second's worth. */
  rateLimitKind: 'bucket' | 'fixed' | 'sliding';
  /** Whether a 429 says how long to wait, and how. Default `seconds`. */
  retryAfter: 'none' | 'seconds' | 'date';
  /** Labels that a key may buy; null (default) for ten million. */
  quota: number | null;
  /** From submission to settled, evenly spread. Default 1,000–5,000. */
  settle: { minMs: number; maxMs: number };
  /** Share of calls answered with 500. Default 0. */
  errorRate: number;
  /** Share of calls whose connection is cut before, or after, the Gateway acted. Default 0. */
  resetBefore: number;
  resetAfter: number;
  /** Added to every answer, evenly spread. Default none. */
  latency: { minMs: number; maxMs: number };
  /** Labels follow from this and the task alone. Default 1. */
  seed: number;
  /** Where the journal is kept; null (default) keeps nothing. */
  dir: string | null;
}

export const DEFAULTS: SandboxOptions = {
  host: '127.0.0.1',
  port: 8081,
  rateLimit: null,
  rateLimitKind: 'bucket',
  retryAfter: 'seconds',
  quota: null,
  settle: { minMs: 1_000, maxMs: 5_000 },
  errorRate: 0,
  resetBefore: 0,
  resetAfter: 0,
  latency: { minMs: 0, maxMs: 0 },
  seed: 1,
  dir: null,
};

export const DEFAULT_QUOTA = 10_000_000;
