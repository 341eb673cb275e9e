import { setTimeout as sleep } from 'node:timers/promises';
import { IngestError } from '../errors.js';
import type { Manifest } from '../manifest/index.js';
import { runKeys } from '../runs/keys.js';
import { type Lease, takeLease } from '../runs/lease.js';
import { type RunReading, readRun } from '../runs/read-status.js';
import type { RunRecord } from '../runs/record.js';
import { transition } from '../runs/transition.js';
import { type Producer, produce } from './produce.js';
import { sweep } from './sweep.js';

const LOOK_MS = 500;
/** Looks in a row that must find the queues empty and lines missing: jobs on their way are not lost jobs. */
const LOOKS_BEFORE_SWEEP = 4;

export interface KeepProducingOptions {
  /** `produced`: return once all is enqueued; `ended`: stay, and sweep, until the run is summed up. */
  until: 'produced' | 'ended';
  /** False for a process that only sweeps, such as `work`. */
  mayProduce: boolean;
  signal: AbortSignal;
}

/**
 * Produces the run whenever no other process does, and sweeps it when lines are missing. A source that changed
 * blocks the run. The manifest is opened when it is first needed.
 */
export async function keepProducing(
  producer: Producer,
  record: RunRecord,
  openManifest: () => Promise<Manifest>,
  { until, mayProduce, signal }: KeepProducingOptions,
): Promise<void> {
  const keys = runKeys(producer.prefix, record.id);
  let emptyLooks = 0;
  while (!signal.aborted) {
    const reading = await readRun(producer.redis, producer.prefix, record.id);
    if (reading === null || reading.summedUp) return;
    const { produced } = reading.status;
    if (produced && until === 'produced') return;
    emptyLooks = linesAreMissing(reading) ? emptyLooks + 1 : 0;
    const job = emptyLooks >= LOOKS_BEFORE_SWEEP ? sweepMissing : mayProduce && !produced ? produce : null;
    if (job !== null && (reading.record.state === 'running' || job === sweepMissing)) {
      await withLease(producer, keys, async (lease) => {
        const watch = watchState(producer, reading.record);
        try {
          await job(
            producer,
            reading.record,
            await openManifest(),
            lease,
            AbortSignal.any([signal, watch.signal]),
          );
        } finally {
          watch.end();
        }
      });
      emptyLooks = 0;
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Jobs can be lost for all our care; then nothing waits any more and lines have not ended. */
function linesAreMissing({ record, status, jobs }: RunReading): boolean {
  if (jobs.submit + jobs.poll > 0) return false;
  if (record.state === 'cancelled') return status.in_flight > 0;
  return record.state === 'running' && status.produced && status.lines > status.settled + status.failed;
}

async function withLease(
  producer: Producer,
  keys: ReturnType<typeof runKeys>,
  work: (lease: Lease) => Promise<void>,
): Promise<void> {
  const lease = await takeLease(producer.redis, keys);
  if (lease === null) return;
  try {
    await work(lease);
  } catch (error) {
    if (!(error instanceof IngestError) || error.code !== 'source_changed') throw error;
    await transition(producer.redis, keys, 'blocked', { reason: 'source_changed', message: error.message });
  } finally {
    await lease.release();
  }
}

async function sweepMissing(
  ...[producer, record, manifest, lease, stop]: Parameters<typeof sweep>
): Promise<void> {
  const found = await sweep(producer, record, manifest, lease, stop);
  if (found > 0)
    producer.log.warn({ run: record.id, lines: found }, 'lines were missing and are queued again');
}

/** Aborts when the run ends, is cancelled, or has too many failures: the lines that are read next may be more of them. */
function watchState(producer: Producer, record: RunRecord): { signal: AbortSignal; end(): void } {
  const over = new AbortController();
  const timer = setInterval(async () => {
    const [state, reason] = await producer.redis
      .hmget(runKeys(producer.prefix, record.id).record, 'state', 'reason')
      .catch(() => []);
    if (state === record.state) return;
    if (state === 'cancelled' || state === 'completed' || reason === 'failures')
      over.abort(new Error(`the run is ${state}`));
  }, LOOK_MS);
  return { signal: over.signal, end: () => clearInterval(timer) };
}
