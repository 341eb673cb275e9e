/** Time as the budget's process side sees it; tests drive their own. */
export interface Clock {
  /** Monotonic, ms. */
  now(): number;
  /** Calls back once, no earlier than `ms` from now; returns how to cancel that. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    // Node cuts fractions off, which would fire too early.
    const timer = setTimeout(callback, Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};

/**
 * Follows another machine's clock through request and answer. With any delay of the network or of this process, the
 * true offset lies between our two readings. So the estimate moves only to stay between them.
 */
export function clockOffset(): (sent: number, theirs: number, received: number) => number {
  let offset = Number.NEGATIVE_INFINITY;
  return (sent, theirs, received) => {
    offset = Math.min(Math.max(offset, sent - theirs), received - theirs);
    return offset;
  };
}
