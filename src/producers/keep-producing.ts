import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../manifest/index.js';
import { runKeys } from '../runs/keys.js';
import { takeLease } from '../runs/lease.js';
import { readRun } from '../runs/read-status.js';
import type { RunRecord } from '../runs/record.js';
import { IngestError } from '../errors.js';
import { transition } from '../runs/transition.js';
import { produce, type Producer } from './produce.js';
import { sweep } from './sweep.js';

const LOOK_MS = 500;
/** Looks in a row that must find the queues empty and lines missing: jobs on their way are not lost jobs. */
const LOOKS_BEFORE_SWEEP = 4;

export type ProduceUntil = 'produced' | 'ended';

/**
 * Produces the run whenever no other process does, and sweeps it when lines are missing, until all is enqueued or,
 * as `run` asks, until the run has ended. A source that changed blocks the run.
 */
export async function keepProducing(
  producer: Producer,
  record: RunRecord,
  manifest: Manifest,
  until: ProduceUntil,
  signal: AbortSignal,
): Promise<void> {
  const keys = runKeys(producer.prefix, record.id);
  let emptyLooks = 0;
  while (!signal.aborted) {
    const reading = await readRun(producer.redis, producer.prefix, record.id);
    if (reading === null || reading.record.endedAt !== null) return;
    const { status, jobs } = reading;
    if (status.produced && until === 'produced') return;
    const missing = status.lines - status.settled - status.failed > 0;
    emptyLooks = status.produced && missing && jobs.submit + jobs.poll === 0 ? emptyLooks + 1 : 0;
    if (reading.record.state === 'running' && (!status.produced || emptyLooks >= LOOKS_BEFORE_SWEEP)) {
      await withLease(producer, keys, record, async (lease) => {
        // A cancel must end the reading, however long it has to go.
        const watch = watchState(producer, record.id);
        const stop = AbortSignal.any([signal, watch.signal]);
        try {
          if (!status.produced) await produce(producer, record, manifest, lease, stop);
          else await sweepMissing(producer, record, manifest, lease, stop);
        } finally {
          watch.end();
        }
        emptyLooks = 0;
      });
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function withLease(
  producer: Producer,
  keys: ReturnType<typeof runKeys>,
  record: RunRecord,
  work: (lease: NonNullable<Awaited<ReturnType<typeof takeLease>>>) => Promise<void>,
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

async function sweepMissing(...[producer, record, manifest, lease, stop]: Parameters<typeof sweep>): Promise<void> {
  const found = await sweep(producer, record, manifest, lease, stop);
  if (found > 0) producer.log.warn({ run: record.id, lines: found }, 'lines were missing and are queued again');
}

/** Aborts when the run has ended or was cancelled. */
function watchState(producer: Producer, runId: string): { signal: AbortSignal; end(): void } {
  const over = new AbortController();
  const timer = setInterval(async () => {
    const state = await producer.redis.hget(runKeys(producer.prefix, runId).record, 'state').catch(() => null);
    if (state !== 'cancelled' && state !== 'completed') return;
    over.abort(new Error(`the run is ${state}`));
  }, LOOK_MS);
  return { signal: over.signal, end: () => clearInterval(timer) };
}
