import { randomBytes } from 'node:crypto';
import type { RunKeys } from './keys.js';
import type { RunRedis } from './scripts.js';

/** A consumer that has not been heard of for so long is taken for dead: nobody waits for its counts. */
const ABSENT_MS = 4_000;

/**
 * The consumers of a run, so that its summary holds the calls of all of them: the run is summed up when each has
 * said, after every line ended, that its counts are on record.
 */
export interface Attendance {
  /** Says that this consumer is there; `told`: every line has ended and its counts are on record. */
  attend(told: boolean, callsPerSecond?: number): Promise<void>;
  /** Whether all consumers that are there have told. */
  allTold(): Promise<boolean>;
  leave(): Promise<void>;
}

export function createAttendance(redis: RunRedis, keys: RunKeys): Attendance {
  const id = randomBytes(6).toString('hex');
  let left = false;
  return {
    async attend(told, callsPerSecond = 0) {
      if (!left) await redis.asgAttend(keys.consumers, id, told ? 1 : 0, callsPerSecond.toFixed(1));
    },
    allTold: async () => (await redis.asgAllTold(keys.consumers, ABSENT_MS)) === 1,
    async leave() {
      left = true;
      await redis.hdel(keys.consumers, id);
    },
  };
}

/** The consumers that have been heard of lately, and the Gateway calls per second of all of them. */
export interface Present {
  consumers: number;
  callsPerSecond: number;
}

/** @param fields of the hash that consumers attend in */
export function presentIn(fields: Record<string, string>, nowMs: number): Present {
  const present: Present = { consumers: 0, callsPerSecond: 0 };
  for (const value of Object.values(fields)) {
    const [, at, pace] = value.split(':').map(Number);
    if (nowMs - (at ?? 0) > ABSENT_MS) continue;
    present.consumers += 1;
    present.callsPerSecond += pace ?? 0;
  }
  return present;
}
