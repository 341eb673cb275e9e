import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { BaseAdapter } from '@bull-board/api/dist/queueAdapters/base.js';
import { type ConnectionOptions, Queue } from 'bullmq';
import { secretUrl } from '../../config/secret.js';
import { type ChunkData, decodeChunk, type PolledLine } from '../../queues/chunk.js';
import { QUEUE_NAMES } from '../../queues/queues.js';
import type { RedisClient } from '../../redis/connection.js';
import { runKeys, runsIndexKey } from '../../runs/keys.js';

/** Each shown queue costs a few reads whenever a browser asks, every few seconds. */
const RUNS = 20;
const CHECK_EVERY_MS = 1_000;

/** A board that queues are put on and taken off. */
export interface Board {
  addQueue(queue: BaseAdapter): void;
  removeQueue(queue: BaseAdapter): void;
}

interface Shown {
  adapter: BullMQAdapter;
  queue: Queue;
}

/**
 * Keeps a board's queues those of the newest runs on record. All of them share the one connection, and none writes to
 * Redis by being shown: a run that has been pruned leaves nothing behind.
 *
 * @returns brings the board up to date, at most once a second
 */
export function followRuns(
  board: Board,
  { redis, prefix, readOnly }: { redis: RedisClient; prefix: string; readOnly: boolean },
): () => Promise<void> {
  const shown = new Map<string, Shown[]>();
  const connection = redis as unknown as ConnectionOptions;

  function show(run: string): Shown[] {
    return QUEUE_NAMES.map((name) => {
      const queue = new Queue(name, {
        connection,
        prefix: runKeys(prefix, run).queuePrefix,
        skipMetasUpdate: true,
        skipVersionCheck: true,
      });
      queue.on('error', () => undefined);
      const adapter = new BullMQAdapter(queue, { prefix: `${run}:`, delimiter: ':', readOnlyMode: readOnly });
      adapter.setFormatter('data', shownData);
      board.addQueue(adapter);
      return { adapter, queue };
    });
  }

  async function look(): Promise<void> {
    const runs = new Set(await redis.zrevrange(runsIndexKey(prefix), 0, RUNS - 1));
    for (const run of runs) if (!shown.has(run)) shown.set(run, show(run));
    for (const [run, queues] of shown) {
      if (runs.has(run)) continue;
      shown.delete(run);
      for (const { adapter, queue } of queues) {
        board.removeQueue(adapter);
        await queue.close();
      }
    }
  }

  let last = { at: 0, done: Promise.resolve() };
  return () => {
    if (Date.now() - last.at < CHECK_EVERY_MS) return last.done;
    const now = { at: Date.now(), done: look() };
    last = now;
    now.done.catch(() => {
      now.at = 0;
    });
    return now.done;
  };
}

/** A job's lines as people read them. A signed URL is a secret: its query and its user are left out. */
function shownData(data: Partial<ChunkData>): unknown {
  if (typeof data?.n !== 'number') return data;
  const { source, lines } = decodeChunk<PolledLine>(data as ChunkData);
  return {
    source,
    lines: lines.map(({ text, ...line }) => {
      const { data_url } = JSON.parse(text) as { data_url: string };
      return { ...line, data_url: URL.canParse(data_url) ? secretUrl(data_url).toString() : data_url };
    }),
  };
}
