import { setTimeout as sleep } from 'node:timers/promises';
import { queueKey } from '../queues/queues.js';
import type { RunKeys } from '../runs/keys.js';
import type { RunRedis } from '../runs/scripts.js';

/** However few lines that is. */
const MAX_QUEUED_BYTES = 64 << 20;
const LOOK_AGAIN_MS = 100;

/** How far the producer may run ahead of the submissions. */
export interface Room {
  /** Resolves to true when there is room for another chunk, to false when the signal ended the wait. */
  wait(): Promise<boolean>;
  /** A chunk is in; `depth` is the submit queue's length with it. */
  added(lines: number, bytes: number, depth: number): void;
}

export function createRoom(redis: RunRedis, keys: RunKeys, maxQueued: number, signal: AbortSignal): Room {
  let depth = 0;
  // The last chunks, newest last: what waits is the tail of what was added, so their bytes are the queue's.
  let recent: { lines: number; bytes: number }[] = [];

  const queuedBytes = () => {
    let [lines, bytes, kept] = [0, 0, recent.length];
    while (kept > 0 && lines < depth) {
      kept -= 1;
      lines += recent[kept]?.lines ?? 0;
      bytes += recent[kept]?.bytes ?? 0;
    }
    recent = recent.slice(kept);
    return bytes;
  };

  return {
    async wait() {
      while (depth >= maxQueued || queuedBytes() >= MAX_QUEUED_BYTES) {
        await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return false;
        const [waiting, delayed] = await Promise.all([
          redis.llen(queueKey(keys, 'submit', 'wait')),
          redis.zcard(queueKey(keys, 'submit', 'delayed')),
        ]);
        depth = waiting + delayed;
      }
      return !signal.aborted;
    },
    added(lines, bytes, now) {
      recent.push({ lines, bytes });
      depth = now;
    },
  };
}
