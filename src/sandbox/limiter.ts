import type { SandboxOptions } from './options.js';

/** Decides over one call of a key. Times in ms. */
export interface Limiter {
  /** 0 when the call is allowed, else how long until one would be. */
  take(now: number): number;
}

const SECOND = 1_000;

const KINDS: Record<SandboxOptions['rateLimitKind'], (rate: number) => Limiter> = {
  bucket(rate) {
    const burst = Math.max(1, rate);
    let [tokens, at] = [burst, 0];
    return {
      take(now) {
        tokens = Math.min(burst, tokens + ((now - at) / SECOND) * rate);
        at = now;
        if (tokens < 1) return Math.ceil(((1 - tokens) / rate) * SECOND);
        tokens -= 1;
        return 0;
      },
    };
  },
  fixed(rate) {
    const most = Math.max(1, Math.round(rate));
    let [window, count] = [-1, 0];
    return {
      take(now) {
        const current = Math.floor(now / SECOND);
        if (current !== window) [window, count] = [current, 0];
        if (count >= most) return Math.ceil((current + 1) * SECOND - now);
        count += 1;
        return 0;
      },
    };
  },
  sliding(rate) {
    const most = Math.max(1, Math.round(rate));
    // The times of the last allowed calls, as a ring: the slot to be overwritten is the oldest.
    const ring = new Float64Array(most).fill(Number.NEGATIVE_INFINITY);
    let next = 0;
    return {
      take(now) {
        const oldest = ring[next] ?? 0;
        if (now - oldest < SECOND) return Math.ceil(oldest + SECOND - now);
        ring[next] = now;
        next = (next + 1) % most;
        return 0;
      },
    };
  },
};

export const createLimiter = (rate: number, kind: SandboxOptions['rateLimitKind']): Limiter =>
  KINDS[kind](rate);
