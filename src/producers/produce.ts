import type { Logger } from 'pino';
import {
  type ContentDigest,
  contentDigest,
  type Manifest,
  type ParsedLine,
  parseLine,
  type RawLine,
  readLines,
  type Source,
} from '../manifest/index.js';
import type { Metrics } from '../metrics/metrics.js';
import type { ObjectStores } from '../object-stores/index.js';
import { jobId, queueKey, type RunQueues } from '../queues/queues.js';
import { checkStream, noteContent, readCursor } from '../runs/cursor.js';
import { type RunKeys, runKeys } from '../runs/keys.js';
import type { Lease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import type { RunRedis } from '../runs/scripts.js';
import { endedBits, type PreparedLine, prepareLine, rejectLine } from './lines.js';
import { createRoom } from './room.js';

const CHUNK_LINES = 150;

export interface Producer {
  redis: RunRedis;
  prefix: string;
  queues: RunQueues;
  metrics: Metrics;
  objectStores: ObjectStores;
  log: Logger;
}

export type Produced = 'all' | 'stopped';

/**
 * Reads the manifest from the run's checkpoint on and enqueues its lines, as far as there is room. Resolves when all
 * has been enqueued, or when the lease or the signal ended it; a line behind the checkpoint is never read again by it.
 */
export async function produce(
  producer: Producer,
  record: RunRecord,
  manifest: Manifest,
  lease: Lease,
  signal: AbortSignal,
): Promise<Produced> {
  const keys = runKeys(producer.prefix, record.id);
  const at = await readCursor(producer.redis, keys);
  if (at.produced) return 'all';
  const stop = AbortSignal.any([signal, lease.signal]);
  const room = createRoom(producer.redis, keys, record.policy.maxQueued, stop);

  let pending: Promise<Chunk> | undefined;
  const checkpointPending = async (last: boolean): Promise<boolean> => {
    const chunk = await pending;
    pending = undefined;
    return chunk === undefined || checkpoint(producer, keys, lease, chunk, room, last);
  };

  for (const source of manifest.sources.slice(at.source)) {
    const from = source.index === at.source ? { line: at.line, offset: at.offset } : { line: 0, offset: 0 };
    if (!(await sameStream(producer, keys, source, stop))) return 'stopped';
    const digest = source.spool === undefined ? null : contentDigest();
    const noted = at.content?.offset ?? 0;
    for await (const batch of readUntil(producer, source, from, stop, digest)) {
      for (let i = 0; i < batch.length; i += CHUNK_LINES) {
        if (stop.aborted || !(await room.wait())) break;
        const lines = batch.slice(i, i + CHUNK_LINES);
        const end = lines.at(-1)?.end ?? 0;
        const content = digest !== null && end > noted ? digest.at(end) : null;
        // One chunk is being added while the one before is checkpointed, always in order.
        const adding = addChunk(producer, record, keys, source, lines, content);
        adding.catch(() => undefined);
        if (!(await checkpointPending(false))) return 'stopped';
        pending = adding;
      }
      if (stop.aborted) break;
    }
    if (!(await checkpointPending(false))) return 'stopped';
    if (stop.aborted) return 'stopped';
  }
  const end: Chunk = {
    source: Math.max(0, manifest.sources.length - 1),
    end: null,
    lines: 0,
    blank: 0,
    bytes: 0,
  };
  return (await checkpoint(producer, keys, lease, end, room, true)) ? 'all' : 'stopped';
}

interface Chunk {
  source: number;
  /** Where the chunk ends; null when nothing of it moves the cursor. */
  end: { line: number; offset: number } | null;
  /** Non-blank lines. */
  lines: number;
  blank: number;
  bytes: number;
}

/** Everything of a chunk is in Redis when this resolves: jobs in the queue, rejections settled. */
async function addChunk(
  producer: Producer,
  record: RunRecord,
  keys: RunKeys,
  source: Source,
  raws: RawLine[],
  content: string | null,
): Promise<Chunk> {
  const last = raws.at(-1);
  const [ended] = await Promise.all([
    endedBits(producer.redis, keys, source.index, raws),
    last && content !== null ? noteContent(producer.redis, keys, last.end, content) : undefined,
  ]);
  const outcomes = { enqueued: 0, rejected: 0, skipped: 0 };
  const jobs: PreparedLine[] = [];
  const rejections: Promise<void>[] = [];
  let [blank, bytes] = [0, 0];
  for (const raw of raws) {
    bytes += raw.bytes;
    const parsed: ParsedLine = parseLine(raw);
    if (parsed.kind === 'blank') blank += 1;
    if (parsed.kind === 'blank' || ended(raw.line)) {
      outcomes.skipped += 1;
      continue;
    }
    const line = parsed.kind === 'rejected' ? parsed : prepareLine(record, source.index, raw, parsed.item);
    if (line.kind === 'rejected') {
      outcomes.rejected += 1;
      rejections.push(rejectLine(producer, record, source.index, raw, line));
    } else {
      outcomes.enqueued += 1;
      jobs.push(line);
    }
  }
  await Promise.all([
    ...rejections,
    jobs.length === 0
      ? undefined
      : producer.queues.submit.addBulk(
          jobs.map(({ data }) => ({ name: 'line', data, opts: { jobId: jobId(data.s, data.l) } })),
        ),
  ]);
  producer.metrics.manifestBytes.inc(bytes);
  for (const [outcome, n] of Object.entries(outcomes))
    if (n > 0) producer.metrics.manifestLines.inc({ outcome }, n);
  return {
    source: source.index,
    end: last ? { line: last.line, offset: last.end } : null,
    lines: raws.length - blank,
    blank,
    bytes,
  };
}

async function checkpoint(
  producer: Producer,
  keys: RunKeys,
  lease: Lease,
  chunk: Chunk,
  room: ReturnType<typeof createRoom>,
  last: boolean,
): Promise<boolean> {
  const { line, offset } = chunk.end ?? (await producer.redis.hgetall(keys.cursor));
  const depth = (await producer.redis.asgCheckpoint(
    keys.lease,
    keys.cursor,
    keys.counts,
    queueKey(keys, 'submit', 'wait'),
    queueKey(keys, 'submit', 'delayed'),
    lease.token,
    chunk.source,
    line ?? 0,
    offset ?? 0,
    chunk.lines,
    chunk.blank,
    chunk.bytes,
    last ? 1 : 0,
  )) as number;
  if (depth < 0) return false;
  room.added(chunk.lines, chunk.bytes, depth);
  return true;
}

/** False when the signal stopped it. */
export async function sameStream(
  { redis }: Producer,
  keys: RunKeys,
  source: Source,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await checkStream(redis, keys, source, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

/** The source's lines; ends quietly when the signal stops it. */
export async function* readUntil(
  { objectStores }: Producer,
  source: Source,
  from: { line: number; offset: number },
  signal: AbortSignal,
  digest: ContentDigest | null = null,
): AsyncIterable<RawLine[]> {
  try {
    yield* readLines(source, from, { signal, objectStores, digest });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
