import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from '../runs/keys.js';
import type { ChunkData } from './chunk.js';
import { queueKey } from './queues.js';

/** BullMQ scores a delayed job with its due time (ms) times this, and a counter below. */
const SCORES_PER_MS = 0x1000;
const PAGE = 100;
const ONE_AT_A_TIME_MS = 10_000;

/** How long tasks of an age sleep by now. */
export interface SleepTimes {
  nextPollDelayMs(ageMs: number): number;
  /** The same for jobs that a delivery will report. */
  webhookFallbackDelayMs(ageMs: number): number;
  /** Whether such a delivery should have come by now. */
  isOverdue(ageMs: number): boolean;
}

/**
 * Wakes sleeping poll jobs earlier, where they would sleep longer than tasks of their age do by now. One process at a
 * time does it, in pages from the one that would sleep longest. A job that wakes meanwhile is left alone (`XX`), and
 * none is put off (`LT`).
 */
export async function advancePolls(redis: RedisClient, keys: RunKeys, times: SleepTimes): Promise<void> {
  if ((await redis.set(keys.bringingForward, 1, 'PX', ONE_AT_A_TIME_MS, 'NX')) === null) return;
  const delayed = queueKey(keys, 'poll', 'delayed');
  const now = Date.now();
  for (let from = 0; ; ) {
    const page = await redis.zrevrange(delayed, from, from + PAGE - 1, 'WITHSCORES');
    if (page.length === 0) return;
    const jobs = await readJobs(redis, keys, page);
    const moves = redis.pipeline();
    for (const { id, dueMs, data } of jobs) {
      const ageMs = now - (data.at ?? now);
      const wanted = Math.ceil(now + (data.w ? times.webhookFallbackDelayMs : times.nextPollDelayMs)(ageMs));
      // One that sleeps so long has not been polled since its delivery became overdue.
      const at = data.w && times.isOverdue(ageMs) ? now : wanted;
      if (dueMs <= wanted) from += 1;
      else moves.zadd(delayed, 'XX', 'LT', at * SCORES_PER_MS, id);
    }
    from += page.length / 2 - jobs.length;
    await moves.exec();
  }
}

async function readJobs(redis: RedisClient, keys: RunKeys, page: string[]) {
  const reads = redis.pipeline();
  for (let i = 0; i < page.length; i += 2) reads.hget(queueKey(keys, 'poll', page[i] as string), 'data');
  const texts = (await reads.exec()) ?? [];
  return texts.flatMap(([, text], index) => {
    if (typeof text !== 'string') return [];
    const id = page[index * 2] as string;
    const dueMs = Number(page[index * 2 + 1]) / SCORES_PER_MS;
    return [{ id, dueMs, data: JSON.parse(text) as ChunkData }];
  });
}
