import type { Waits } from '../lib/waits.js';
import type { RedisClient } from './connection.js';

const PING_EVERY_MS = 1_000;
/** Longer than a busy server takes. */
const SILENT_MS = 4_000;

/** Pings Redis each second, and sets `waits` when it has not answered for a while. */
export function watchRedis(redis: RedisClient, waits: Waits): { close(): void } {
  let askedAt: number | null = null;
  const timer = setInterval(() => {
    if (askedAt === null) {
      askedAt = performance.now();
      redis.ping().then(answered, answered);
      return;
    }
    const silent = performance.now() - askedAt;
    if (silent >= SILENT_MS) waits.set('redis', `Redis has not answered for ${Math.round(silent / 1000)} s`);
  }, PING_EVERY_MS).unref();
  const answered = () => {
    askedAt = null;
    waits.clear('redis');
  };
  return { close: () => clearInterval(timer) };
}
