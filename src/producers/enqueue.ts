import { IngestError } from '../lib/errors.js';
import { fieldMapOf, parseLine, type RawLine } from '../manifest/index.js';
import { encodeChunk, intoChunks, type QueuedLine } from '../queues/chunk.js';
import { type Rejection, rejectedEnding } from '../results/endings.js';
import { endedBits } from '../runs/bits.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { type EndedLine, endLines } from '../runs/scripts.js';
import { withoutConflicts } from './key-conflicts.js';
import { type PreparedLine, prepareLine } from './prepare-line.js';
import type { Producer } from './producer.js';
import { leaveOutUnchanged } from './since/leave-out.js';

export interface Enqueued {
  /** Non-blank lines. */
  lines: number;
  blank: number;
  bytes: number;
  /** Blank lines, and those that have ended already, are skipped. */
  outcomes: Record<'enqueued' | 'rejected' | 'skipped' | 'unchanged', number>;
}

/** Most lines of a source: the bits of Redis' longest string. */
const MOST_LINES = 2 ** 32;

/** Queues valid lines in chunks and ends rejected ones. When this resolves, all of them are in Redis. */
export async function enqueue(
  producer: Producer,
  record: RunRecord,
  source: number,
  raws: readonly RawLine[],
  isWanted: (line: number) => boolean = () => true,
): Promise<Enqueued> {
  const { redis } = producer;
  const keys = runKeys(producer.prefix, record.id);
  if ((raws.at(-1)?.line ?? 0) > MOST_LINES)
    throw new IngestError(
      'manifest',
      `${record.manifest.sources[source]} has more than ${MOST_LINES} lines`,
      {
        hint: 'split it into several sources',
      },
    );
  const [ended, most] = await Promise.all([endedBits(redis, keys, source, raws), producer.linesPerChunk()]);
  const prepared: PreparedLine[] = [];
  const rejected: EndedLine[] = [];
  const reject = (rejection: Rejection) =>
    rejected.push({ line: rejection.line, ending: rejectedEnding(record, source, rejection) });
  const isOpen = ({ line }: { line: number }) => !ended(line) && isWanted(line);
  let [blank, bytes] = [0, 0];
  const map = fieldMapOf(record.task.map ?? []);
  for (const raw of raws) {
    bytes += raw.bytes;
    const parsed = parseLine(raw, map);
    if (parsed.kind === 'blank') blank += 1;
    if (parsed.kind === 'blank') continue;
    const line = parsed.kind === 'rejected' ? parsed : prepareLine(record.task, raw, parsed.item);
    // A line that has ended still owns its key.
    if (line.kind === 'queued') prepared.push(line);
    else if (isOpen(raw)) reject({ line: raw.line, ...line });
  }
  const { queued: all, rejections } = await withoutConflicts(redis, keys, record, source, prepared);
  const open = all.filter(isOpen);
  const queued = await leaveOutUnchanged(producer, record, source, open, prepared);
  rejections.filter(isOpen).forEach(reject);
  await Promise.all([
    endRejected(producer, record, source, rejected),
    addChunks(producer, source, queued, most),
  ]);
  const unchanged = open.length - queued.length;
  const skipped = raws.length - open.length - rejected.length;
  return {
    lines: raws.length - blank,
    blank,
    bytes,
    outcomes: { enqueued: queued.length, rejected: rejected.length, skipped, unchanged },
  };
}

/** A script blocks Redis while it writes rows. So each call gets few of them. */
const REJECTED_AT_ONCE = 100;

async function endRejected(
  { redis, prefix, metrics }: Producer,
  record: RunRecord,
  source: number,
  lines: readonly EndedLine[],
): Promise<void> {
  const keys = runKeys(prefix, record.id);
  for (let from = 0; from < lines.length; from += REJECTED_AT_ONCE) {
    const some = lines.slice(from, from + REJECTED_AT_ONCE);
    const ended = await endLines(redis, keys, source, some);
    for (const [index, { ending }] of some.entries())
      if (ended[index] && ending.kind === 'failed')
        metrics.failed.inc({ stage: ending.stage, code: ending.code });
  }
}

/** Adds lines to the submit queue, up to `most` in a job. A chunk that is added twice is one job. */
export async function addChunks(
  { queues }: Pick<Producer, 'queues'>,
  source: number,
  lines: readonly QueuedLine[],
  most: number,
): Promise<void> {
  if (lines.length === 0) return;
  const jobs = [...intoChunks(lines, most)].map((chunk) => ({
    name: 'submit',
    data: encodeChunk(source, chunk),
    opts: { jobId: `${source}-${chunk[0]?.line}-${chunk.at(-1)?.line}-${chunk.length}` },
  }));
  await queues.submit.addBulk(jobs);
}
