import type { Reply } from './http.js';
import { createLimiter, type Limiter } from './limiter.js';
import type { SandboxOptions } from './options.js';
import type { Customer } from './records.js';

/** The limit of each customer's calls, as the options say at the moment. */
export interface RateLimit {
  /** Takes one call: 0 when it is allowed, else the wait in ms. */
  take(customer: Customer): number;
  /** An answer's facts about the limit; `waitMs` for a refused call. */
  headers(customer: Customer, waitMs: number): Reply['headers'];
  /** Forgets all counts, for new options. */
  reset(): void;
}

export function createRateLimit(
  options: SandboxOptions,
  now: () => number = () => performance.now(),
): RateLimit {
  const limiters = new Map<Customer, Limiter>();

  function limiterOf(customer: Customer): Limiter | null {
    const { rateLimit } = options;
    if (rateLimit === null) return null;
    let limiter = limiters.get(customer);
    if (limiter === undefined) {
      limiter = createLimiter(rateLimit, options.rateLimitKind, options.rateLimitBurst ?? undefined);
      limiters.set(customer, limiter);
    }
    return limiter;
  }

  return {
    take: (customer) => limiterOf(customer)?.take(now()) ?? 0,
    headers(customer, waitMs) {
      const limiter = limiterOf(customer);
      if (limiter === null) return undefined;
      return {
        ...(waitMs > 0 && retryAfter(options.retryAfter, waitMs)),
        ...(options.rateLimitHeaders && limitHeaders(limiter, limiter.remaining(now()), waitMs)),
      };
    },
    reset: () => limiters.clear(),
  };
}

function retryAfter(form: SandboxOptions['retryAfter'], waitMs: number): Record<string, string> {
  const seconds = Math.ceil(waitMs / 1000);
  switch (form) {
    case 'none':
      return {};
    case 'seconds':
      return { 'retry-after': String(seconds) };
    case 'date':
      return { 'retry-after': new Date(Date.now() + seconds * 1000).toUTCString() };
  }
}

/** `RateLimit` and `RateLimit-Policy` as the IETF draft has them, and the older `X-RateLimit-*`. */
function limitHeaders({ policy }: Limiter, remaining: number, waitMs: number): Record<string, string> {
  const reset = Math.ceil((waitMs > 0 ? waitMs : policy.seconds * 1000) / 1000);
  return {
    'ratelimit-policy': `"default";q=${policy.calls};w=${policy.seconds}`,
    ratelimit: `"default";r=${remaining};t=${reset}`,
    'x-ratelimit-limit': String(policy.calls),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(reset),
  };
}
