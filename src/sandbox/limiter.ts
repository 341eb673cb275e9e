import type { SandboxOptions } from './options.js';

/** Decides over the calls of one key. Times in ms, on any clock that does not go back. */
export interface Limiter {
  /** Takes one call: 0 when it is allowed, else how long until one would be. */
  take(now: number): number;
  /** Calls that would be allowed at once. */
  remaining(now: number): number;
  /** The policy: the calls allowed in a window of seconds. */
  readonly policy: { calls: number; seconds: number };
}

const SECOND = 1_000;

/** A window that holds whole calls: one second, or longer for rates that are no whole number. */
function windowOf(rate: number) {
  const calls = Math.max(1, Math.floor(rate));
  return { calls, ms: (calls / rate) * SECOND, policy: { calls, seconds: calls / rate } };
}

const KINDS: Record<SandboxOptions['rateLimitKind'], (rate: number, burst: number) => Limiter> = {
  bucket(rate, burst) {
    let [tokens, at] = [burst, 0];
    const refill = (now: number) => {
      tokens = Math.min(burst, tokens + (Math.max(0, now - at) / SECOND) * rate);
      at = now;
    };
    return {
      policy: { calls: rate, seconds: 1 },
      take(now) {
        refill(now);
        if (tokens < 1) return Math.max(1, Math.ceil(((1 - tokens) / rate) * SECOND));
        tokens -= 1;
        return 0;
      },
      remaining(now) {
        refill(now);
        return Math.floor(tokens);
      },
    };
  },
  fixed(rate) {
    const { calls, ms, policy } = windowOf(rate);
    let [window, count] = [-1, 0];
    const enter = (now: number) => {
      const current = Math.floor(now / ms);
      if (current !== window) [window, count] = [current, 0];
    };
    return {
      policy,
      take(now) {
        enter(now);
        if (count >= calls) return Math.max(1, Math.ceil((window + 1) * ms - now));
        count += 1;
        return 0;
      },
      remaining(now) {
        enter(now);
        return calls - count;
      },
    };
  },
  sliding(rate) {
    const { calls, ms, policy } = windowOf(rate);
    // The times of the last allowed calls, as a ring: the slot to be overwritten is the oldest.
    const ring = new Float64Array(calls).fill(Number.NEGATIVE_INFINITY);
    let next = 0;
    return {
      policy,
      take(now) {
        const oldest = ring[next] ?? 0;
        if (now - oldest < ms) return Math.max(1, Math.ceil(oldest + ms - now));
        ring[next] = now;
        next = (next + 1) % calls;
        return 0;
      },
      remaining: (now) => ring.reduce((free, time) => free + (now - time >= ms ? 1 : 0), 0),
    };
  },
};

/** `burst`: calls that a full bucket holds, one second's worth by default. */
export const createLimiter = (
  rate: number,
  kind: SandboxOptions['rateLimitKind'],
  burst: number = Math.max(1, rate),
): Limiter => KINDS[kind](rate, burst);
