/** Redis' clock moved by so much more or less than this process': it was set, or the answer was long on its way. */
const STEP_MS = 2_000;

/** Redis' clock, as one process knows it: hosts' clocks may be apart, and all of a run's times are by this one. */
export interface RedisClock {
  /** Epoch ms; by this host's clock until Redis' is known. */
  now(): number;
  /** Takes in what Redis' clock said just now, epoch ms. Returns how far it is ahead of this host's now, and was before. */
  sync(redisMs: number): { aheadMs: number; beforeMs: number | null };
  /** Whether the age of what began then (epoch ms) is known: the clock has not been set since. */
  hasAge(beganAt: number): boolean;
}

/** @param monotonic ms; a clock of this process that nobody sets */
export function createRedisClock(monotonic: () => number = () => performance.now()): RedisClock {
  let aheadMs: number | null = null;
  let last: { redisMs: number; at: number } | null = null;
  let steppedAt = Number.NEGATIVE_INFINITY;
  const now = () => Math.round(Date.now() + (aheadMs ?? 0));
  return {
    now,
    sync(redisMs) {
      const [beforeMs, at] = [aheadMs, monotonic()];
      if (last !== null && Math.abs(redisMs - last.redisMs - (at - last.at)) > STEP_MS) steppedAt = redisMs;
      last = { redisMs, at };
      aheadMs = redisMs - Date.now();
      return { aheadMs, beforeMs };
    },
    hasAge: (beganAt) => beganAt >= steppedAt && beganAt <= now(),
  };
}
