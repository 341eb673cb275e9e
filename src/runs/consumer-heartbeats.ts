import { randomBytes } from 'node:crypto';
import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import { runScript } from './run-script.js';

const heartbeatScript = runScript('heartbeat');
const allCountsFlushedScript = runScript('all-counts-flushed');

/** A consumer silent for this long counts as dead: no process waits for its counts. */
const ABSENT_MS = 4_000;
/** By then the jobs of a dead consumer are with another one: a lock's time, a stalled check, and some room. */
const JOBS_TAKEN_OVER_MS = 25_000;

/**
 * The consumers of a run, so that its summary holds the calls of all of them. The run is summed up when each has
 * reported, after every line ended, that its counts are on record.
 */
export interface ConsumerHeartbeats {
  /** Says that this consumer is there; `told`: every line has ended and its counts are on record. */
  beat(told: boolean, doing?: { callsPerSecond: number; submitting: number }): Promise<void>;
  /** Whether all present consumers have reported that. */
  allCountsFlushed(): Promise<boolean>;
  leave(): Promise<void>;
}

export function createConsumerHeartbeats(redis: RedisClient, keys: RunKeys): ConsumerHeartbeats {
  const id = randomBytes(6).toString('hex');
  let left = false;
  return {
    async beat(told, { callsPerSecond, submitting } = { callsPerSecond: 0, submitting: 0 }) {
      if (left) return;
      const doing = `${callsPerSecond.toFixed(1)}:${submitting}`;
      await heartbeatScript.run(redis, [keys.consumers], [id, told ? 1 : 0, doing]);
    },
    allCountsFlushed: async () =>
      (await allCountsFlushedScript.run(redis, [keys.consumers], [ABSENT_MS])) === 1,
    async leave() {
      left = true;
      await redis.hdel(keys.consumers, id);
    },
  };
}

/** The consumers that were active lately, and the work of all of them. */
export interface LiveConsumers {
  consumers: number;
  callsPerSecond: number;
  /**
   * Lines that may be bought and are not in the poll queue yet. Those of a consumer that died count until another one
   * has its jobs.
   */
  submitting: number;
}

/** @param fields of the hash that consumers write their heartbeats to */
export function liveConsumersIn(fields: Record<string, string>, nowMs: number): LiveConsumers {
  const present: LiveConsumers = { consumers: 0, callsPerSecond: 0, submitting: 0 };
  for (const value of Object.values(fields)) {
    const [, at, pace, submitting] = value.split(':').map(Number);
    // Redis' clock may have been set back since.
    const silentMs = Math.abs(nowMs - (at ?? 0));
    if (silentMs <= JOBS_TAKEN_OVER_MS) present.submitting += submitting ?? 0;
    if (silentMs > ABSENT_MS) continue;
    present.consumers += 1;
    present.callsPerSecond += pace ?? 0;
  }
  return present;
}
