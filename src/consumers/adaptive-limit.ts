/** Answers that take longer may be waiting behind our own calls; answers that are sooner certainly do not. ms. */
const SLOW_MS = 1_000;
const FAST_MS = 500;
const SHRINK = 0.7;
const GROW = 1.25;
/** A trial with less concurrency passes when it keeps this share of the throughput. */
const KEPT = 0.9;
const LEAST = 4;
/** A process begins with this limit; each answer adds one, so the limit doubles with each round trip. */
const FIRST = 8;
const WINDOW_MS = 2_000;
const FEWEST_CALLS = 8;
/** How long a trial that cost throughput is not repeated. */
const REST_MS = 60_000;

interface Window {
  began: number;
  calls: number;
  totalMs: number;
  full: number;
}

/** How many calls a process should have in flight, as a server's answers come. */
export interface AdaptiveLimit {
  readonly limit: number;
  /** A call took so long; `full`: every permit was out while it did. */
  observe(durationMs: number, full: boolean): void;
}

/**
 * Calls that pile up before a saturated server come no sooner. While answers are slow, a window with fewer calls in
 * flight is tried. If as many answers come, the fewer are kept and fewer still are tried. If not, the server is slow
 * by nature, and the calls are given back. A server that answers soon is held back only at the start: the first calls
 * wait for connections, and would arrive in a burst above their rate.
 */
export function createAdaptiveLimit(
  most: number,
  now: () => number = () => performance.now(),
): AdaptiveLimit {
  let limit = Math.min(most, FIRST);
  let starting = true;
  let window: Window | null = null;
  let trial: { before: number; perSecond: number } | null = null;
  let restUntil = 0;

  /** The first calls all come back at once, and say nothing of a pace: a window opens after them. */
  const openIn = (ms: number): Window => ({ began: now() + ms, calls: 0, totalMs: 0, full: 0 });

  /** Judges a window; returns how long the next one waits for calls that were sent under another limit. */
  function close(window: Window): number {
    const seconds = (now() - window.began) / 1000;
    const perSecond = window.calls / seconds;
    const meanMs = window.totalMs / window.calls;
    const busy = window.full >= window.calls / 2;
    let skipMs = 0;
    if (trial !== null) {
      if (perSecond < KEPT * trial.perSecond && busy) {
        limit = trial.before;
        restUntil = now() + REST_MS;
        skipMs = meanMs;
      }
      trial = null;
    } else if (meanMs > SLOW_MS && busy && now() >= restUntil && limit > LEAST) {
      trial = { before: limit, perSecond };
      limit = Math.max(LEAST, Math.floor(limit * SHRINK));
      skipMs = meanMs;
    } else if (meanMs < FAST_MS && limit < most) limit = Math.min(most, Math.ceil(limit * GROW));
    return skipMs;
  }

  return {
    get limit() {
      return limit;
    },
    observe(durationMs, full) {
      if (starting) {
        if (limit < most) limit += 1;
        starting = limit < most;
        return;
      }
      window ??= openIn(durationMs);
      if (now() < window.began) return;
      window.calls += 1;
      window.totalMs += durationMs;
      if (full) window.full += 1;
      // Long enough for each call in flight to come back twice.
      const longEnough = Math.max(WINDOW_MS, (2 * window.totalMs) / window.calls);
      if (window.calls >= FEWEST_CALLS && now() - window.began >= longEnough) window = openIn(close(window));
    },
  };
}
