import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from '../runs/keys.js';
import { queueKey } from './queues.js';
import { LOCK_MS } from './worker.js';

/**
 * Redis keeps the time at which a lock ends. Where its clock was set back, the jobs of a process that died would be locked
 * for as long as that as well: no lock is to last longer than one that is new. A process that lives renews its own.
 */
export async function shortenLocks(redis: RedisClient, keys: RunKeys): Promise<void> {
  for (const queue of ['submit', 'poll', 'flush'] as const) {
    const ids = await redis.lrange(queueKey(keys, queue, 'active'), 0, -1);
    const locks = ids.map((id) => `${queueKey(keys, queue, id)}:lock`);
    const left = await Promise.all(locks.map((lock) => redis.pttl(lock)));
    await Promise.all(
      locks.flatMap((lock, n) => ((left[n] ?? 0) > LOCK_MS ? [redis.pexpire(lock, LOCK_MS)] : [])),
    );
  }
}
