import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest, RawLine } from '../manifest/index.js';
import { lineBits } from '../runs/bits.js';
import { readCursor } from '../runs/cursor.js';
import { runKeys } from '../runs/keys.js';
import type { Lease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import { enqueue } from './enqueue.js';
import { openMixing } from './mix-gold.js';
import { readUntil, sameStream } from './produce.js';
import type { Producer } from './producer.js';

const STEP_LINES = 1_000;
/** With this many jobs in the submit queue, the sweep waits. */
const MOST_JOBS = 200;
const CHECK_EVERY_MS = 100;

export interface Swept {
  /** Lines that are queued again. */
  found: number;
  /** Non-blank lines that were read. */
  lines: number;
  /** True when everything up to the cursor was read. */
  whole: boolean;
}

/**
 * Reads the manifest again up to the run's cursor, and queues the lines that have not ended. It runs when the queues
 * are empty and lines are missing: a failover or BullMQ can lose jobs. In a cancelled run only lines that may have been
 * bought are queued.
 */
export async function sweep(
  producer: Producer,
  record: RunRecord,
  manifest: Manifest,
  lease: Lease,
  signal: AbortSignal,
): Promise<Swept> {
  const { redis, queues } = producer;
  const keys = runKeys(producer.prefix, record.id);
  const stop = AbortSignal.any([signal, lease.signal]);
  // A failed job of BullMQ keeps its id. A new job of this id would be ignored, so the failed one is removed.
  await queues.submit.clean(0, 0, 'failed');
  await queues.poll.clean(0, 0, 'failed');
  const { at: end } = await readCursor(redis, keys);
  const swept: Swept = { found: 0, lines: 0, whole: false };

  /** False when the signal stopped it. */
  async function again(source: number, raws: readonly RawLine[]): Promise<boolean> {
    const admitted = await lineBits(redis, keys.admitted(source), raws);
    const wanted = (line: number) => record.state !== 'cancelled' || admitted(line);
    while ((await queues.submit.getJobCountByTypes('wait', 'delayed')) >= MOST_JOBS) {
      await sleep(CHECK_EVERY_MS, undefined, { signal: stop }).catch(() => undefined);
      if (stop.aborted) return false;
    }
    const { outcomes, lines } = await enqueue(producer, record, source, raws, wanted);
    swept.found += outcomes.enqueued + outcomes.rejected;
    swept.lines += lines;
    return true;
  }

  for (const source of manifest.sources.slice(0, end.source + 1)) {
    if (!(await sameStream(producer, keys, source, stop))) return swept;
    for await (const batch of readUntil(producer, record, source, { line: 0, offset: 0 }, stop)) {
      for (let i = 0; i < batch.length; i += STEP_LINES) {
        const read = (line: number) => source.index < end.source || line <= end.line;
        const raws = batch.slice(i, i + STEP_LINES).filter(({ line }) => read(line));
        if (raws.length === 0) break;
        if (!(await again(source.index, raws))) return swept;
      }
      if (source.index === end.source && (batch.at(-1)?.line ?? 0) >= end.line) break;
    }
  }
  const mixing = await openMixing(redis, keys, record, manifest);
  const gold = mixing?.upTo(end) ?? [];
  for (let i = 0; mixing !== null && i < gold.length; i += STEP_LINES)
    if (!(await again(mixing.source, gold.slice(i, i + STEP_LINES)))) return swept;
  swept.whole = !stop.aborted;
  return swept;
}
