import { createAdaptiveLimit } from './adaptive-limit.js';

/**
 * Gateway calls that a process may have in flight, over all its runs and both kinds of call; first come, first served.
 * Never more than `most`, and fewer where a slow server answers no more for having more.
 */
export interface ConcurrencyLimit {
  /** The most calls in flight now. */
  readonly limit: number;
  /** How long calls take at present: their mean, the last ones weighing most; ms. */
  readonly callMs: number;
  /** Resolves when the call may be made. Call `release` once for each. */
  acquire(): Promise<void>;
  /** `durationMs` of the call that was made with it; undefined when none was. */
  release(durationMs?: number): void;
}

/** What the last call weighs in the mean. */
const LAST_CALL = 0.25;

/**
 * @param most calls in flight
 * @param now a steady clock, ms. Default `performance.now()`
 */
export function createConcurrencyLimit(most: number, now?: () => number): ConcurrencyLimit {
  const adaptive = createAdaptiveLimit(most, now);
  let out = 0;
  let callMs = 0;
  const waiting: (() => void)[] = [];
  const grantWaiting = () => {
    while (out < adaptive.limit) {
      const next = waiting.shift();
      if (next === undefined) return;
      out += 1;
      next();
    }
  };
  return {
    get limit() {
      return adaptive.limit;
    },
    get callMs() {
      return callMs;
    },
    acquire() {
      if (out < adaptive.limit) {
        out += 1;
        return Promise.resolve();
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    release(durationMs) {
      if (durationMs !== undefined) {
        adaptive.observe(durationMs, out >= adaptive.limit);
        callMs += (durationMs - callMs) * LAST_CALL;
      }
      out -= 1;
      grantWaiting();
    },
  };
}
