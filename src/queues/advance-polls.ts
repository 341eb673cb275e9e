import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from '../runs/keys.js';
import type { ChunkData } from './chunk.js';
import { queueKey } from './queues.js';

/** BullMQ scores a delayed job with its due time (ms) times this, and a counter below. */
const SCORES_PER_MS = 0x1000;
const PAGE = 100;
const ONE_AT_A_TIME_MS = 10_000;

/** How long a task of this age sleeps by the present plan, ms. */
export interface SleepTimes {
  nextPollDelayMs(ageMs: number): number;
  /** The same for jobs that a delivery will report. */
  webhookFallbackDelayMs(ageMs: number): number;
  /** Whether the delivery of a task of this age is overdue. */
  isOverdue(ageMs: number): boolean;
}

/**
 * Moves delayed poll jobs forward, if they would sleep longer than the present plan says for tasks of their age. One
 * process at a time does it, in pages, the latest job first. A job that has become active meanwhile is not touched
 * (`XX`), and no job is moved back (`LT`).
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
      const wantedDueMs = Math.ceil(
        now + (data.w ? times.webhookFallbackDelayMs : times.nextPollDelayMs)(ageMs),
      );
      // A job that sleeps this long has not been polled since its delivery became overdue.
      const at = data.w && times.isOverdue(ageMs) ? now : wantedDueMs;
      if (dueMs <= wantedDueMs) from += 1;
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
