import { type ConnectionOptions, DelayedError, type Job, type Processor, Worker } from 'bullmq';
import type { Logger } from 'pino';
import { keepBullAlive } from '../redis/keep-alive.js';
import type { RunKeys } from '../runs/keys.js';
import { closeWithin } from './close-within.js';

/** Measured: a killed process' jobs are back after lock + stalled check; a blocked event loop is forgiven for 7 s. */
export const LOCK_MS = 15_000;
export const STALLED_CHECK_MS = 5_000;
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
  /** Most jobs at a time. */
  concurrency: number;
  /** Lines in hand from which no further job is taken, until `holdLines` says otherwise; null: jobs carry no lines. */
  mostLines: number | null;
  /** Does a job's work; calls `release` with the number of lines that it no longer holds. */
  process(job: Job<T, void>, token: string | undefined, release: (lines: number) => void): Promise<void>;
  /** How many lines a job carries. */
  linesOf?(data: T): number;
  log: Logger;
}

export interface RunWorker {
  start(): void;
  /** Takes no new jobs; jobs that are being worked on go on. */
  hold(): void;
  unhold(): void;
  /** From now on no further job is taken while so many lines are in hand; a job may carry more. */
  holdLines(most: number): void;
  /** Waits for running jobs up to the deadline (ms), then leaves them to the stalled check of another process. */
  close(deadlineMs: number): Promise<void>;
}

export function createWorker<T>(options: RunWorkerOptions<T>): RunWorker {
  const { log } = options;
  const hand = createHand(options, () => worker);
  const worker: Worker<T, void> = new Worker<T, void>(options.name, withRedelivery(options, hand), {
    autorun: false,
    connection: options.connection,
    prefix: options.keys.queuePrefix,
    concurrency: options.mostLines === null ? options.concurrency : 1,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: MAX_STALLED,
    // A worker paused while it waited for a job may miss one wake-up: it checks again after this (s).
    drainDelay: 1,
    removeOnComplete: { count: 0 },
    skipVersionCheck: true,
  });
  const stopAsking = keepBullAlive(worker);
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
    holdLines: hand.holdLines,
    close(deadlineMs) {
      closing ??= closeWithin(worker, { deadlineMs, isIdle: hand.isEmpty }).finally(stopAsking);
      return closing;
    },
  };
}

/**
 * No job is lost to an unexpected error, such as one of Redis': it goes back for a while (invariant 3). If that fails
 * too, BullMQ is given the same answer. No process renews the job's lock then, and the stalled check gives it to a
 * process within seconds. Left to itself, BullMQ would put it among the failed jobs, which nobody reads.
 */
function withRedelivery<T>({ name, process, log }: RunWorkerOptions<T>, hand: Hand<T>): Processor<T, void> {
  return async (job: Job<T, void>, token?: string) => {
    const held = hand.take(job);
    try {
      await process(job, token, held.release);
    } catch (error) {
      if (error instanceof DelayedError) throw error;
      log.error({ queue: name, job: job.id, err: error }, 'a job went wrong; it is tried again');
      const again = Date.now() + Math.round(AGAIN_MS * (0.5 + Math.random()));
      await job.moveToDelayed(again, token).catch((cause: unknown) => {
        log.warn(
          { queue: name, job: job.id, err: cause },
          'a job could not go back; the stalled check takes it',
        );
      });
      throw new DelayedError();
    } finally {
      held.end();
    }
  };
}

interface Hand<T> {
  take(job: Job<T, void>): { release(lines: number): void; end(): void };
  isEmpty(): boolean;
  holdLines(most: number): void;
}

/**
 * Takes jobs by the lines that they carry: one more while fewer lines than `mostLines` are in hand. Few large jobs keep
 * a process as busy as many small ones, and none takes more of a run than it can work on.
 */
function createHand<T>(
  { concurrency, mostLines, linesOf = () => 0 }: RunWorkerOptions<T>,
  worker: () => Worker<T, void>,
): Hand<T> {
  let jobs = 0;
  let lines = 0;
  let enough = mostLines;
  const adapt = () => {
    if (enough === null) return;
    // One more at a time: BullMQ fetches all that it may have before it begins with the first.
    const most = lines < enough ? Math.min(concurrency, jobs + 1) : Math.max(1, jobs);
    const before = worker().concurrency;
    worker().concurrency = most;
    if (most > before) lookAgain(worker());
  };
  return {
    isEmpty: () => jobs === 0,
    holdLines(most) {
      if (enough === null || enough === most) return;
      enough = most;
      adapt();
    },
    take(job) {
      let left = linesOf(job.data);
      jobs += 1;
      lines += left;
      adapt();
      const release = (some: number) => {
        const out = Math.min(some, left);
        left -= out;
        lines -= out;
        adapt();
      };
      return {
        release,
        end() {
          jobs -= 1;
          release(left);
        },
      };
    },
  };
}

/**
 * A worker with all its jobs in hand checks for more only when one of them ends, even if its `concurrency` has been
 * raised meanwhile. An empty entry in the queue of its waits makes it check. (BullMQ has no public way; without this,
 * one slow line would keep the place of the whole chunk that it came with.)
 */
function lookAgain(worker: Worker): void {
  const { mainLoopQueue } = worker as unknown as {
    mainLoopQueue?: { add(entry: Promise<undefined>): void } | null;
  };
  mainLoopQueue?.add(Promise.resolve(undefined));
}
