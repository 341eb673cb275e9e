/** Models of the ways a server may limit calls. All times ms; `take` says whether a call at `now` is let through. */
export interface LimitModel {
  take(now: number): { ok: boolean; retryAfterMs: number };
  /** Changes the limit, calls per second. */
  setRate(rate: number, now: number): void;
}

export type ModelName = 'bucket' | 'fixed' | 'sliding';

/** Holds `burstSeconds` of the rate (at least 2 calls). */
function tokenBucket(rate: number, burstSeconds = 1): LimitModel {
  let perMs = rate / 1000;
  let size = Math.max(2, rate * burstSeconds);
  let tokens = size;
  let filled = 0;
  const fill = (now: number) => {
    tokens = Math.min(size, tokens + (now - filled) * perMs);
    filled = now;
  };
  return {
    take(now) {
      fill(now);
      if (tokens < 1) return { ok: false, retryAfterMs: (1 - tokens) / perMs };
      tokens -= 1;
      return { ok: true, retryAfterMs: 0 };
    },
    setRate(next, now) {
      fill(now);
      perMs = next / 1000;
      size = Math.max(2, next * burstSeconds);
      tokens = Math.min(tokens, size);
    },
  };
}

/** So many calls from one full second to the next. */
function fixedWindow(rate: number, windowMs = 1000): LimitModel {
  let most = Math.round((rate * windowMs) / 1000);
  let window = -1;
  let count = 0;
  return {
    take(now) {
      const current = Math.floor(now / windowMs);
      if (current !== window) {
        window = current;
        count = 0;
      }
      if (count >= most) return { ok: false, retryAfterMs: (current + 1) * windowMs - now };
      count += 1;
      return { ok: true, retryAfterMs: 0 };
    },
    setRate(next) {
      most = Math.round((next * windowMs) / 1000);
    },
  };
}

/** So many calls in any second; refused calls do not count. */
export function slidingWindow(rate: number, windowMs = 1000): LimitModel {
  let most = Math.round((rate * windowMs) / 1000);
  let times: number[] = [];
  let first = 0;
  return {
    take(now) {
      while ((times[first] ?? now) <= now - windowMs) first += 1;
      if (first > 4096) {
        times = times.slice(first);
        first = 0;
      }
      if (times.length - first >= most) {
        return { ok: false, retryAfterMs: (times[times.length - most] ?? now) + windowMs - now };
      }
      times.push(now);
      return { ok: true, retryAfterMs: 0 };
    },
    setRate(next) {
      most = Math.round((next * windowMs) / 1000);
    },
  };
}

export const models: Record<ModelName, (rate: number) => LimitModel> = {
  bucket: (rate) => tokenBucket(rate),
  fixed: (rate) => fixedWindow(rate),
  sliding: (rate) => slidingWindow(rate),
};
