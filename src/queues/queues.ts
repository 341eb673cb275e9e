import { type ConnectionOptions, type Job, type JobsOptions, Queue } from 'bullmq';
import { keepBullAlive } from '../redis/keep-alive.js';
import type { RunKeys } from '../runs/keys.js';
import type { ChunkData } from './chunk.js';
import { closeWithin } from './close-within.js';

/** The queues that each run has. */
export const QUEUE_NAMES = ['submit', 'poll', 'flush'] as const;

export interface RunQueues {
  submit: Queue<ChunkData>;
  poll: Queue<ChunkData>;
  flush: Queue<Record<string, never>>;
  close(): Promise<void>;
}

/** Keeps the events stream of each queue near empty: nothing reads it, and ten thousand events are 0.6 MB a queue. */
const QUEUE_OPTIONS = { streams: { events: { maxLen: 10 } }, skipVersionCheck: true };

/** The run's three queues. `ignoreErrors` of the connection are left to its owner's listener. */
export function openQueues(
  keys: RunKeys,
  connection: ConnectionOptions,
  onError: (error: Error) => void,
): RunQueues {
  const options = { ...QUEUE_OPTIONS, connection, prefix: keys.queuePrefix };
  const submit = new Queue<ChunkData>('submit', options);
  const poll = new Queue<ChunkData>('poll', options);
  const flush = new Queue<Record<string, never>>('flush', options);
  const all = [submit, poll, flush];
  for (const queue of all) queue.on('error', onError);
  const asking = all.map((queue) => keepBullAlive(queue));
  let closing: Promise<void> | undefined;
  return {
    submit,
    poll,
    flush,
    close() {
      closing ??= Promise.all(all.map((queue) => closeWithin(queue))).then(() => {
        for (const stop of asking) stop();
      });
      return closing;
    },
  };
}

/** Requests a flush. One runs at a time for each run; a request during a flush starts one more after it. */
export async function requestFlush(queues: RunQueues): Promise<void> {
  await queues.flush.add('flush', {}, {
    deduplication: { id: 'flush', keepLastIfActive: true },
  } as JobsOptions);
}

/** Keys that scripts outside BullMQ read lengths of. */
export const queueKey = (keys: RunKeys, queue: 'submit' | 'poll' | 'flush', list: string) =>
  `${keys.queuePrefix}:${queue}:${list}`;

export type { Job };
