import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from '../runs/keys.js';
import { queueKey } from './queues.js';
import { LOCK_MS, STALLED_CHECK_MS } from './worker.js';

/**
 * Redis keeps the time at which a lock ends. After a clock was set back, the jobs of a dead process would stay locked
 * for as long, and no process would take them. So no lock may last longer than a new one. A living process renews its
 * own.
 */
export async function shortenLocks(redis: RedisClient, keys: RunKeys): Promise<void> {
  for (const queue of ['submit', 'poll', 'flush'] as const) {
    const ids = await redis.lrange(queueKey(keys, queue, 'active'), 0, -1);
    const jobs = ids.map((id) => shorten(redis, `${queueKey(keys, queue, id)}:lock`, LOCK_MS));
    await Promise.all([...jobs, shorten(redis, queueKey(keys, queue, 'stalled-check'), STALLED_CHECK_MS)]);
  }
}

async function shorten(redis: RedisClient, lock: string, mostMs: number): Promise<void> {
  if ((await redis.pttl(lock)) > mostMs) await redis.pexpire(lock, mostMs);
}
