import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import { runScript } from './run-script.js';

const renewScript = runScript('renew');
const releaseScript = runScript('release');

const LEASE_MS = 10_000;
const WAIT_MS = 200;

/** A right over a run, such as to produce it, held by one process at a time. */
export interface Lease {
  /**
   * Unique to this holder. The checkpoint script refuses any other token, so a holder that slept too long writes
   * nothing.
   */
  readonly token: string;
  /** Aborts when the lease is lost. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

/**
 * Takes the lease (default: the producer's), or resolves to null when another process holds it. It is renewed until
 * released or lost.
 */
export async function acquireLease(
  redis: RedisClient,
  keys: RunKeys,
  key = keys.lease,
): Promise<Lease | null> {
  // Random: a counter would begin again in a Redis that was lost, and a holder from before would pass the fence.
  const token = randomBytes(12).toString('hex');
  if ((await redis.set(key, token, 'PX', LEASE_MS, 'NX')) === null) {
    // Redis' clock was set back. Without this, the lease of a dead holder would last that much longer.
    if ((await redis.pttl(key)) > LEASE_MS) await redis.pexpire(key, LEASE_MS);
    return null;
  }
  const lost = new AbortController();
  const renew = setInterval(async () => {
    const ours = await renewScript.run(redis, [key], [token, LEASE_MS]).catch(() => 1);
    if (ours !== 1) lost.abort(new Error('another process took the lease'));
  }, LEASE_MS / 4);
  return {
    token,
    signal: lost.signal,
    async release() {
      clearInterval(renew);
      await releaseLock(redis, key, token);
    },
  };
}

/** Takes the lease for summing up the run, as soon as no other process holds it. */
export async function acquireSummaryLease(redis: RedisClient, keys: RunKeys): Promise<Lease> {
  for (;;) {
    const lease = await acquireLease(redis, keys, keys.tally);
    if (lease !== null) return lease;
    await sleep(WAIT_MS);
  }
}

/** Ends a lock that this token holds. */
export async function releaseLock(redis: RedisClient, key: string, token: string): Promise<void> {
  await releaseScript.run(redis, [key], [token]);
}
