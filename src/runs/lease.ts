import type { RunKeys } from './keys.js';
import type { RunRedis } from './scripts.js';

const LEASE_MS = 10_000;

/** The right to produce a run, held by one process at a time. */
export interface Lease {
  /** Unique to this holding; the checkpoint script refuses any other (a fence against a holder that slept). */
  readonly token: string;
  /** Aborts when the lease is lost. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

/** Takes the lease, or resolves to null when another process holds it. It is renewed until released or lost. */
export async function takeLease(redis: RunRedis, keys: RunKeys): Promise<Lease | null> {
  const token = `${await redis.incr(keys.fence)}`;
  if ((await redis.set(keys.lease, token, 'PX', LEASE_MS, 'NX')) === null) return null;
  const lost = new AbortController();
  const renew = setInterval(async () => {
    const ours = await redis.asgRenew(keys.lease, token, LEASE_MS).catch(() => 1);
    if (ours !== 1) lost.abort(new Error('another process took the producer lease'));
  }, LEASE_MS / 4);
  return {
    token,
    signal: lost.signal,
    async release() {
      clearInterval(renew);
      await redis.asgRelease(keys.lease, token);
    },
  };
}
