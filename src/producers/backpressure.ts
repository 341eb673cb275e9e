import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from '../runs/keys.js';
import type { RunPolicy } from '../runs/record.js';

/** Most bytes of queued lines, whatever their number. */
const MAX_QUEUED_BYTES = 64 << 20;
const CHECK_EVERY_MS = 100;

/** The load of a run, for a producer that adds to it. */
export interface Depth {
  /** Lines that wait for submission. */
  queued: number;
  /** Bytes of rows that are in no part yet. Rejected lines become rows at once. */
  unflushedBytes: number;
  state: string;
}

/** How far the producer may run ahead of the submissions and of the sink. */
export interface Backpressure {
  /** Resolves to the number of lines that there is room for, at least 1; to 0 when the signal aborts the wait. */
  wait(): Promise<number>;
  /** Reports added lines; `depth` is the run's load with them. */
  added(lines: number, bytes: number, depth: Depth): void;
}

export function createBackpressure(
  readDepth: () => Promise<Depth>,
  /** Read each time: it may change. */
  policy: Pick<RunPolicy, 'maxQueued' | 'partSizeBytes'>,
  signal: AbortSignal,
): Backpressure {
  let depth: Depth = { queued: 0, unflushedBytes: 0, state: 'running' };
  // The last added lines, newest last. The queue holds the newest ones, so their bytes are the queue's bytes.
  let recent: { lines: number; bytes: number }[] = [];

  const queuedBytes = () => {
    let [lines, bytes, kept] = [0, 0, recent.length];
    while (kept > 0 && lines < depth.queued) {
      kept -= 1;
      lines += recent[kept]?.lines ?? 0;
      bytes += recent[kept]?.bytes ?? 0;
    }
    recent = recent.slice(kept);
    return bytes;
  };

  /** Without this limit, a run that cannot write to its sink would fill Redis with rows. */
  const isFull = () =>
    depth.queued >= policy.maxQueued ||
    queuedBytes() >= MAX_QUEUED_BYTES ||
    depth.unflushedBytes >= 2 * policy.partSizeBytes ||
    (depth.state === 'blocked' && depth.unflushedBytes >= policy.partSizeBytes);

  return {
    async wait() {
      while (isFull()) {
        await sleep(CHECK_EVERY_MS, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return 0;
        depth = await readDepth();
      }
      return signal.aborted ? 0 : Math.max(1, policy.maxQueued - depth.queued);
    },
    added(lines, bytes, now) {
      recent.push({ lines, bytes });
      depth = now;
    },
  };
}

/** Lines that were read and have neither ended nor been admitted wait for submission. */
export async function readDepth(redis: RedisClient, keys: RunKeys): Promise<Depth> {
  const [counts, state] = await Promise.all([
    redis.hmget(keys.counts, 'lines', 'settled', 'failed', 'unchanged', 'in_flight', 'unflushed_bytes'),
    redis.hget(keys.record, 'state'),
  ]);
  const [lines = 0, settled = 0, failed = 0, unchanged = 0, inFlight = 0, unflushedBytes = 0] =
    counts.map(Number);
  const queued = Math.max(0, lines - settled - failed - unchanged - inFlight);
  return { queued, unflushedBytes, state: state ?? 'gone' };
}
