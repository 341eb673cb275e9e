import { type Manifest, parseLine } from '../manifest/index.js';
import { jobId } from '../queues/queues.js';
import { runKeys } from '../runs/keys.js';
import type { Lease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import { endedBits, lineBits, prepareLine, rejectLine } from './lines.js';
import { type Producer, readUntil, sameStream } from './produce.js';
import { createRoom } from './room.js';

const CHUNK_LINES = 1_000;

/**
 * Reads the whole manifest again and enqueues the lines that have not ended. For a run whose producer is done, whose
 * queues are empty, and which still misses lines: jobs can be lost, by a failover or by BullMQ. Of a cancelled run,
 * only the lines that may have been bought. Resolves to how many.
 */
export async function sweep(
  producer: Producer,
  record: RunRecord,
  manifest: Manifest,
  lease: Lease,
  signal: AbortSignal,
): Promise<number> {
  const keys = runKeys(producer.prefix, record.id);
  const stop = AbortSignal.any([signal, lease.signal]);
  const room = createRoom(producer.redis, keys, record.policy.maxQueued, stop);
  // A job that BullMQ gave up on keeps its id, and would swallow the one that is added now.
  await producer.queues.submit.clean(0, 0, 'failed');
  await producer.queues.poll.clean(0, 0, 'failed');
  let found = 0;
  for (const source of manifest.sources) {
    if (!(await sameStream(producer, keys, source, stop))) return found;
    for await (const batch of readUntil(producer, source, { line: 0, offset: 0 }, stop)) {
      for (let i = 0; i < batch.length; i += CHUNK_LINES) {
        const raws = batch.slice(i, i + CHUNK_LINES);
        const ended = await endedBits(producer.redis, keys, source.index, raws);
        const admitted = await lineBits(producer.redis, keys.admitted(source.index), raws);
        const jobs = [];
        for (const raw of raws) {
          if (ended(raw.line) || (record.state === 'cancelled' && !admitted(raw.line))) continue;
          const parsed = parseLine(raw);
          if (parsed.kind === 'blank') continue;
          const line =
            parsed.kind === 'rejected' ? parsed : prepareLine(record, source.index, raw, parsed.item);
          found += 1;
          if (line.kind === 'rejected') await rejectLine(producer, record, source.index, raw, line);
          else jobs.push({ name: 'line', data: line.data, opts: { jobId: jobId(line.data.s, line.data.l) } });
        }
        if (jobs.length === 0) continue;
        if (!(await room.wait())) return found;
        await producer.queues.submit.addBulk(jobs);
        room.added(jobs.length, 0, (await producer.queues.submit.count()) ?? 0);
      }
    }
  }
  return found;
}
