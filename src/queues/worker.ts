import { type ConnectionOptions, DelayedError, type Job, type Processor, Worker } from 'bullmq';
import type { Logger } from 'pino';
import type { RunKeys } from '../runs/keys.js';

/** Measured: a killed process' jobs are back after lock + stalled check; a blocked event loop is forgiven for 7 s. */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 5_000;
/** BullMQ never resets a job's stalled count, and a poll job can outlive many crashes. */
const MAX_STALLED = 1_000_000;
/** A failing fetch is retried without a pause (READONLY, out of memory): past this rate the worker rests. */
const STORM_ERRORS_PER_SECOND = 50;
const STORM_REST_MS = 2_000;
/** When a job whose processing failed is tried again. */
const AGAIN_MS = 2_000;

export interface RunWorkerOptions<T> {
  name: 'submit' | 'poll' | 'flush';
  keys: RunKeys;
  connection: ConnectionOptions;
  concurrency: number;
  process: Processor<T, void>;
  log: Logger;
}

export interface RunWorker {
  start(): void;
  /** Takes no new jobs; jobs that are being worked on go on. */
  hold(): void;
  unhold(): void;
  setConcurrency(n: number): void;
  /** Waits for running jobs up to the deadline (ms), then leaves them to the stalled check of another process. */
  close(deadlineMs: number): Promise<void>;
}

export function createWorker<T>(options: RunWorkerOptions<T>): RunWorker {
  const { log } = options;
  const worker = new Worker<T, void>(options.name, keeping(options), {
    autorun: false,
    connection: options.connection,
    prefix: options.keys.queuePrefix,
    concurrency: options.concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: MAX_STALLED,
    // A worker that was held while it waited for a job may miss one wake-up: it looks again after this (s).
    drainDelay: 1,
    removeOnComplete: { count: 0 },
    skipVersionCheck: true,
  });
  let held = false;
  let resting = false;
  let closing: Promise<void> | undefined;
  const apply = () => {
    if (closing) return;
    if (held || resting) void worker.pause(true);
    else worker.resume();
  };

  let second = 0;
  let errors = 0;
  worker.on('error', (error) => {
    // It was given back while its lock was being renewed, or another process has it: both are provided for.
    if (error.message.startsWith('could not renew lock'))
      return log.debug({ queue: options.name, err: error });
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) [second, errors] = [now, 0];
    errors += 1;
    if (errors === 1) log.warn({ queue: options.name, err: error }, 'worker error');
    if (errors < STORM_ERRORS_PER_SECOND || resting) return;
    resting = true;
    apply();
    setTimeout(() => {
      resting = false;
      apply();
    }, STORM_REST_MS);
  });
  worker.on('failed', (job, error) =>
    log.error({ queue: options.name, job: job?.id, err: error }, 'job failed'),
  );

  return {
    start: () => void worker.run().catch((error: unknown) => log.error({ err: error }, 'worker stopped')),
    hold() {
      held = true;
      apply();
    },
    unhold() {
      held = false;
      apply();
    },
    setConcurrency(n) {
      worker.concurrency = n;
    },
    close(deadlineMs) {
      closing ??= closeWithin(worker, deadlineMs);
      return closing;
    },
  };
}

/**
 * No job is lost to an error that nobody expected, such as one of Redis': it goes back for a while (invariant 3). Where
 * that fails too, BullMQ has the job as failed or stalled, and the sweep or another process has it in the end.
 */
function keeping<T>({ name, process, log }: RunWorkerOptions<T>): Processor<T, void> {
  return async (job: Job<T, void>, token?: string) => {
    try {
      await process(job, token);
    } catch (error) {
      if (error instanceof DelayedError) throw error;
      log.error({ queue: name, job: job.id, err: error }, 'a job went wrong; it is tried again');
      const again = Date.now() + Math.round(AGAIN_MS * (0.5 + Math.random()));
      await job.moveToDelayed(again, token).catch(() => {
        throw error;
      });
      throw new DelayedError();
    }
  };
}

/** `close()` has no deadline of its own, never returns while Redis is away, and a second one with force only waits for it. */
async function closeWithin(worker: Worker, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), deadlineMs);
  });
  const ended = await Promise.race([worker.close().then(() => 'closed' as const), deadline]);
  clearTimeout(timer);
  // Not waited for: while Redis is away this would have no end either.
  if (ended === 'late') void worker.disconnect().catch(() => undefined);
}
