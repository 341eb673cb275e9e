/** What an answer's headers say about the limit; absent parts were not said, or not understood. */
export interface LimitHeaders {
  /** Calls per second of the strictest policy. */
  policy?: number;
  /** No call is left for so long, ms. */
  exhaustedMs?: number;
}

type Headers = Readonly<Record<string, string>>;

const number = (text: string | undefined) => {
  const value = Number(text?.trim() || Number.NaN);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
};

/** `100;w=60, 5000;w=3600` or `"default";q=100;w=60`: the lowest quota per second. Units other than requests are no rate. */
function strictestPolicy(text: string | undefined): number | undefined {
  const rates = (text ?? '').split(',').flatMap((policy) => {
    const [first, ...rest] = policy.split(';').map((part) => part.trim());
    const parameters = new Map(
      rest.map((part) => part.split('=', 2).map((s) => s.trim()) as [string, string]),
    );
    if ((parameters.get('qu') ?? '"requests"').replaceAll('"', '') !== 'requests') return [];
    const quota = number(parameters.get('q') ?? first);
    const window = number(parameters.get('w'));
    return quota && window ? [quota / window] : [];
  });
  return rates.length > 0 ? Math.min(...rates) : undefined;
}

/** A reset as epoch ms, epoch seconds, seconds from now, or a duration (`8.64s`, `6m0s`, `250ms`): ms from now. */
function resetMs(text: string | undefined, now: number): number | undefined {
  const value = number(text);
  if (value !== undefined) {
    if (value > 1e12) return Math.max(0, value - now);
    if (value > 1e9) return Math.max(0, value * 1000 - now);
    return value * 1000;
  }
  const unit: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (!text || !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text.trim())) return undefined;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, n, u]) => sum + Number(n) * (unit[u ?? ''] ?? 0),
    0,
  );
}

/** The members of `RateLimit` (`"default";r=0;t=12`, or the older `limit=100, remaining=0, reset=12`). */
function rateLimitMember(text: string | undefined, names: string[]): string | undefined {
  for (const part of (text ?? '').split(/[;,]/)) {
    const [name, value] = part.split('=', 2).map((s) => s.trim());
    if (name && value && names.includes(name)) return value;
  }
  return undefined;
}

/** Reads `RateLimit-Policy`, `RateLimit`, `RateLimit-*` and `X-RateLimit-*` (lower-case names). `now` in epoch ms. */
export function readLimitHeaders(headers: Headers, now: number): LimitHeaders {
  const policy = strictestPolicy(headers['ratelimit-policy']) ?? strictestPolicy(headers['ratelimit-limit']);
  const remaining = number(
    rateLimitMember(headers.ratelimit, ['r', 'remaining']) ??
      headers['ratelimit-remaining'] ??
      headers['x-ratelimit-remaining'],
  );
  const reset = resetMs(
    rateLimitMember(headers.ratelimit, ['t', 'reset']) ??
      headers['ratelimit-reset'] ??
      headers['x-ratelimit-reset'],
    now,
  );
  return {
    ...(policy !== undefined && { policy }),
    ...(remaining === 0 && reset !== undefined && { exhaustedMs: reset }),
  };
}
