import { parseRateLimitHeaders } from '../gateway/rate-limit-headers.js';

/** The meaning of an answer's headers for the budget; absent parts were not given. */
export interface HeaderLimit {
  /** Calls per second of the strictest policy that is a pace. */
  policy?: number;
  /** Calls per second that the present window suggests, where no policy says it: a place to begin. */
  guess?: number;
  /** No call is left for so long, ms. */
  exhaustedMs?: number;
}

/**
 * A longer window is a quota: `1000/day` is no pace of one call in 86 s. It may be used at any time, and calls stop when
 * the server says that nothing is left.
 */
const LONGEST_PACE_MS = 60_000;
/** Resets come in whole seconds: one of 0 or 1 s may be any time up to then. */
const SHORTEST_WINDOW_MS = 1000;

const NOTHING: HeaderLimit = {};

/** Header names in lower case; `now` in epoch ms. */
export function limitFromHeaders(headers: Readonly<Record<string, string>>, now: number): HeaderLimit {
  const { policy = [], limit, remaining, resetMs } = parseRateLimitHeaders(headers, now);
  if (policy.length === 0 && remaining === undefined) return NOTHING;
  const paces = policy.flatMap((each) =>
    each.windowMs <= LONGEST_PACE_MS ? [(each.limit * 1000) / each.windowMs] : [],
  );
  const pace = Math.min(...paces.filter((each) => each > 0));
  const exhausted = remaining === 0 && resetMs !== undefined;
  const suggests =
    policy.length === 0 && limit !== undefined && limit > 0 && (resetMs ?? Infinity) <= LONGEST_PACE_MS;
  return {
    ...(pace < Infinity && { policy: pace }),
    ...(suggests && { guess: (limit * 1000) / Math.max(SHORTEST_WINDOW_MS, resetMs ?? 0) }),
    ...(exhausted && { exhaustedMs: resetMs }),
  };
}
