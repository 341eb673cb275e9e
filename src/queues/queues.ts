import { type ConnectionOptions, type Job, type JobsOptions, Queue } from 'bullmq';
import type { RunKeys } from '../runs/keys.js';

export interface Backoff {
  calls: number;
  /** What was waited for in all before the wait that began at `at` (epoch ms) and was to be `ms` long. */
  waitedMs: number;
  at: number;
  ms: number;
  /** The budget's `heldMs` at its beginning. */
  heldMs: number;
}

/** What differs per line; what a run's lines share is in its record. Names are short: there are millions. */
export interface SubmitJob {
  /** Source index and line number, from 1. */
  s: number;
  l: number;
  /** data_url */
  u: string;
  /** metadata, absent when null */
  m?: unknown;
  /** Idempotency key, absent when it is the line's own (`--key line`). */
  k?: string;
  /** The line's own type, label_spec and consensus_threshold. */
  t?: string;
  q?: { question: string; options: string[] };
  c?: number;
  /** Fields of the line that mean nothing here; a failure's `input` shows them again. */
  x?: Record<string, unknown>;
  /** Calls in a row that failed for reasons not the line's own. */
  trouble?: Backoff;
  /** Refused before the Gateway had accepted any line: in which round (`judgeRefusal`). */
  r?: number;
}

export interface PollJob extends SubmitJob {
  task: string;
  /** When the task was submitted (epoch ms). */
  at: number;
  /** Its age (ms) when a poll last found it in progress, 0 at first; of the tasks that settle times are learned from. */
  seen?: number;
  /** The task was unknown to the Gateway once, and was submitted again. */
  again?: boolean;
  /** A webhook delivery will tell when the task has settled; the run's index of tasks holds this job. */
  w?: true;
}

export const jobId = (source: number, line: number) => `${source}-${line}`;

/** The queues that each run has. */
export const QUEUE_NAMES = ['submit', 'poll', 'flush'] as const;

export interface RunQueues {
  submit: Queue<SubmitJob>;
  poll: Queue<PollJob>;
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
  const submit = new Queue<SubmitJob>('submit', options);
  const poll = new Queue<PollJob>('poll', options);
  const flush = new Queue<Record<string, never>>('flush', options);
  const all = [submit, poll, flush];
  for (const queue of all) queue.on('error', onError);
  let closing: Promise<void> | undefined;
  return {
    submit,
    poll,
    flush,
    close() {
      closing ??= Promise.all(all.map((queue) => queue.close())).then(() => undefined);
      return closing;
    },
  };
}

/** Asks for a flush: one at a time per run; asked for while one is going on, one more follows it. */
export async function requestFlush(queues: RunQueues): Promise<void> {
  await queues.flush.add('flush', {}, {
    deduplication: { id: 'flush', keepLastIfActive: true },
  } as JobsOptions);
}

/** Keys that scripts outside BullMQ read lengths of. */
export const queueKey = (keys: RunKeys, queue: 'submit' | 'poll' | 'flush', list: string) =>
  `${keys.queuePrefix}:${queue}:${list}`;

export type { Job };
