import { setTimeout as sleep } from 'node:timers/promises';
import { IngestError } from '../lib/errors.js';
import type { Manifest } from '../manifest/index.js';
import { isTemporaryError } from '../redis/temporary-errors.js';
import { openLinesWithoutRows } from '../results/lines-without-rows.js';
import { runKeys } from '../runs/keys.js';
import { acquireLease, type Lease } from '../runs/lease.js';
import { type RunReading, readRun } from '../runs/read-status.js';
import type { RunRecord } from '../runs/record.js';
import { recount } from '../runs/recount.js';
import { endedLines } from '../runs/status.js';
import { transition } from '../runs/transition.js';
import { produce } from './produce.js';
import type { Producer } from './producer.js';
import { sweep } from './sweep.js';

const CHECK_EVERY_MS = 500;
/** This many checks in a row must find empty queues and wrong counts. A job between two queues is not lost. */
const CHECKS_BEFORE_SWEEP = 4;

/** How long and how much `superviseProducer` works. */
export interface SuperviseOptions {
  /** `produced`: return once all is enqueued; `ended`: stay, and sweep, until the run is summed up. */
  until: 'produced' | 'ended';
  /** False for a process that only sweeps, such as `work`. */
  mayProduce: boolean;
  /** Aborting it stops the work; the run can be resumed. */
  signal: AbortSignal;
}

/**
 * Produces the run whenever no other process does, and sweeps it when lines are missing. A source that changed
 * blocks the run. The manifest is opened when it is first needed.
 */
export async function superviseProducer(
  producer: Producer,
  record: RunRecord,
  openManifest: () => Promise<Manifest>,
  { until, mayProduce, signal }: SuperviseOptions,
): Promise<void> {
  let emptyChecks = 0;

  /** True when there is nothing more to do. */
  async function checkRun(): Promise<boolean> {
    const reading = await readRun(producer.redis, producer.prefix, record.id);
    if (reading === null || reading.summedUp) return true;
    const { produced } = reading.status;
    // A cancelled run reads no more lines.
    if (until === 'produced' && (produced || reading.record.state === 'cancelled')) return true;
    emptyChecks = countsAreWrong(reading) ? emptyChecks + 1 : 0;
    const now = { ...reading.record, manifest: record.manifest };
    if (emptyChecks >= CHECKS_BEFORE_SWEEP) {
      emptyChecks = 0;
      await underLease(producer, now, (lease, stop) => repairRun(now, lease, stop));
    } else if (mayProduce && !produced && now.state === 'running')
      await underLease(producer, now, async (lease, stop) => {
        await produce(producer, now, await openManifest(), lease, stop);
        await producer.earlier?.forget();
      });
    return false;
  }

  /**
   * Queues missing lines again. If no line is missing, the counts are wrong or lines have no row: then the lines
   * without a row are opened, and the next sweep queues them.
   */
  async function repairRun(now: RunRecord, lease: Lease, stop: AbortSignal): Promise<void> {
    const { found, lines, whole } = await sweep(producer, now, await openManifest(), lease, stop);
    if (found > 0)
      producer.log.warn({ run: now.id, lines: found }, 'lines were missing and are queued again');
    else if (whole && now.state === 'running') {
      const rows = await recount(
        producer.redis,
        runKeys(producer.prefix, now.id),
        lease.token,
        lines,
        now.since,
      );
      producer.log.warn({ run: now.id, lines, rows }, 'the counts were wrong and have been counted again');
      if (rows === null || rows >= lines) return;
      const opened = await openLinesWithoutRows(producer, now, lease);
      producer.log.warn({ run: now.id, lines: opened }, 'lines passed for ended and have no row');
    }
  }

  async function underLease(
    { redis, prefix }: Producer,
    now: RunRecord,
    work: (lease: Lease, stop: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const keys = runKeys(prefix, now.id);
    const lease = await acquireLease(redis, keys);
    if (lease === null) return;
    const watch = watchState(producer, now);
    try {
      await work(lease, AbortSignal.any([signal, watch.signal]));
    } catch (error) {
      if (!(error instanceof IngestError) || error.code !== 'source_changed') throw error;
      await transition(redis, keys, 'blocked', { reason: 'source_changed', message: error.message });
    } finally {
      watch.end();
      await lease.release().catch(() => undefined);
    }
  }

  while (!signal.aborted) {
    try {
      if (await checkRun()) return;
    } catch (error) {
      // Unfinished work is done again from the checkpoint.
      if (!isTemporaryError(error)) throw error;
      producer.log.warn({ run: record.id, err: error }, 'Redis refuses, and is waited for');
    }
    await sleep(CHECK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * True when nothing waits any more and lines have not ended, since jobs can be lost. True also when the counts disagree
 * with the ended lines, since Redis can lose its last second.
 */
function countsAreWrong({ record, status, jobs }: RunReading): boolean {
  if (jobs.submit + jobs.poll > 0) return false;
  if (record.state === 'cancelled') return status.in_flight > 0;
  return record.state === 'running' && status.produced && status.lines !== endedLines(status);
}

/** Keeps the record's policy current. Aborts when the run ends, is cancelled, or has too many failures. */
function watchState(producer: Producer, record: RunRecord): { signal: AbortSignal; end(): void } {
  const over = new AbortController();
  const timer = setInterval(async () => {
    const [state, reason, policy] = await producer.redis
      .hmget(runKeys(producer.prefix, record.id).record, 'state', 'reason', 'policy')
      .catch(() => [record.state, null, null]);
    if (policy) Object.assign(record.policy, JSON.parse(policy));
    if (state === record.state) return;
    if (state === 'cancelled' || state === 'completed' || state === null || reason === 'failures')
      over.abort(new Error(`the run is ${state ?? 'gone'}`));
  }, CHECK_EVERY_MS);
  return { signal: over.signal, end: () => clearInterval(timer) };
}
