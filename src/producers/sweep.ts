import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../manifest/index.js';
import { lineBits } from '../runs/bits.js';
import { readCursor } from '../runs/cursor.js';
import { runKeys } from '../runs/keys.js';
import type { Lease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import { enqueue } from './enqueue.js';
import { type Producer, readUntil, sameStream } from './produce.js';

const STEP_LINES = 1_000;
/** Jobs in the submit queue from which the sweep waits. */
const MOST_JOBS = 200;
const LOOK_AGAIN_MS = 100;

/**
 * Reads the manifest again up to the run's cursor, and enqueues the lines that have not ended. For a run whose queues
 * are empty and which still misses lines: jobs can be lost, by a failover or by BullMQ. Of a cancelled run, only the
 * lines that may have been bought. Resolves to how many.
 */
export async function sweep(
  producer: Producer,
  record: RunRecord,
  manifest: Manifest,
  lease: Lease,
  signal: AbortSignal,
): Promise<number> {
  const { redis, queues } = producer;
  const keys = runKeys(producer.prefix, record.id);
  const stop = AbortSignal.any([signal, lease.signal]);
  // A job that BullMQ gave up on keeps its id, and would swallow the one that is added now.
  await queues.submit.clean(0, 0, 'failed');
  await queues.poll.clean(0, 0, 'failed');
  const { at: end } = await readCursor(redis, keys);
  let found = 0;
  for (const source of manifest.sources.slice(0, end.source + 1)) {
    if (!(await sameStream(producer, keys, source, stop))) return found;
    for await (const batch of readUntil(producer, source, { line: 0, offset: 0 }, stop)) {
      for (let i = 0; i < batch.length; i += STEP_LINES) {
        const read = (line: number) => source.index < end.source || line <= end.line;
        const raws = batch.slice(i, i + STEP_LINES).filter(({ line }) => read(line));
        if (raws.length === 0) return found;
        const admitted = await lineBits(redis, keys.admitted(source.index), raws);
        const wanted = (line: number) => record.state !== 'cancelled' || admitted(line);
        while ((await queues.submit.getJobCountByTypes('wait', 'delayed')) >= MOST_JOBS) {
          await sleep(LOOK_AGAIN_MS, undefined, { signal: stop }).catch(() => undefined);
          if (stop.aborted) return found;
        }
        const { outcomes } = await enqueue(producer, record, source.index, raws, wanted);
        found += outcomes.enqueued + outcomes.rejected;
      }
    }
  }
  return found;
}
