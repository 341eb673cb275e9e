import { IngestError } from '../lib/errors.js';
import {
  type ContentDigest,
  contentDigest,
  type Manifest,
  type RawLine,
  readLines,
  type Source,
} from '../manifest/index.js';
import { type Cursor, checkpoint, checkStream, noteContent, readCursor } from '../runs/cursor.js';
import { type RunKeys, runKeys } from '../runs/keys.js';
import type { Lease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import { createBackpressure, type Depth, readDepth } from './backpressure.js';
import { type Enqueued, enqueue } from './enqueue.js';
import { type Mixing, openMixing } from './mix-gold.js';
import type { Producer } from './producer.js';
import { readChosen } from './read-pilot-lines.js';

/** Most lines that are read, queued and counted in one step. */
const STEP_LINES = 1_000;

export type Produced = 'all' | 'stopped';

/** Lines that are being written into Redis, with their first and last position. */
interface Step {
  from: Cursor['at'];
  to: Cursor['at'];
  queued: Promise<Enqueued>;
}

/**
 * Reads the manifest from the run's checkpoint on and queues its lines, while there is room. Resolves when all lines
 * are queued, or when the lease or the signal ends it. It never reads a line before the checkpoint again.
 */
export async function produce(
  producer: Producer,
  record: RunRecord,
  manifest: Manifest,
  lease: Lease,
  signal: AbortSignal,
): Promise<Produced> {
  const { redis, metrics } = producer;
  const keys = runKeys(producer.prefix, record.id);
  const { at: begin, content, produced } = await readCursor(redis, keys);
  if (produced) return 'all';
  const stop = AbortSignal.any([signal, lease.signal]);
  if ((await producer.earlier?.load(stop)) === null) return 'stopped';
  const room = createBackpressure(() => readDepth(redis, keys), record.policy, stop);
  const mixing = await openMixing(redis, keys, record, manifest);
  let at = begin;
  let step: Step | undefined;

  /** The lines of the last step are in Redis, so the cursor moves over them. Steps end in order. */
  async function finishStep(): Promise<boolean> {
    if (step === undefined) return true;
    const { from, to, queued } = step;
    step = undefined;
    const done = await queued;
    metrics.manifestBytes.inc(done.bytes);
    for (const [outcome, n] of Object.entries(done.outcomes))
      if (n > 0) metrics.manifestLines.inc({ outcome }, n);
    const depth = await moveCursor(producer, keys, lease, { from, to, ...done });
    if (depth !== null) room.added(done.lines, done.bytes, depth);
    return depth !== null;
  }

  for (const source of manifest.sources.slice(begin.source)) {
    const from = source.index === begin.source ? begin : { line: 0, offset: 0 };
    if (!(await sameStream(producer, keys, source, stop))) return 'stopped';
    const digest = source.spool === undefined ? null : contentDigest();
    for await (const batch of readUntil(producer, record, source, from, stop, digest)) {
      for (let taken = 0; taken < batch.length; ) {
        const free = await room.wait();
        if (free === 0) break;
        const most = Math.min(STEP_LINES, Math.max(1, Math.ceil(free / 2)));
        let lines = batch.slice(taken, taken + most);
        if (mixing !== null) lines = lines.slice(0, mixing.linesBefore(at, source.index, lines));
        taken += lines.length;
        const last = lines.at(-1) ?? { line: 0, end: 0 };
        const to = { source: source.index, line: last.line, offset: last.end };
        if (digest !== null && last.end > (content?.offset ?? 0))
          await noteContent(redis, keys, last.end, digest.at(last.end));
        // One step is written while the step before is counted.
        const queued = enqueueStep(
          producer,
          record,
          source.index,
          lines,
          mixing?.between(at, to) ?? [],
          mixing,
        );
        queued.catch(() => undefined);
        if (!(await finishStep())) return 'stopped';
        step = { from: at, to, queued };
        at = to;
      }
      if (stop.aborted) break;
    }
    if (!(await finishStep()) || stop.aborted) return 'stopped';
  }
  if (mixing !== null && at.source < mixing.end.source) {
    if (stop.aborted || (await room.wait()) === 0) return 'stopped';
    const rest = enqueueStep(producer, record, mixing.source, [], mixing.between(at, mixing.end), mixing);
    step = { from: at, to: mixing.end, queued: rest };
    if (!(await finishStep())) return 'stopped';
    at = mixing.end;
  }
  const end = { from: at, to: at, lines: 0, blank: 0, bytes: 0 };
  return (await moveCursor(producer, keys, lease, end, true)) === null ? 'stopped' : 'all';
}

/** Lines of a source, with the gold lines mixed in. The reader treats gold lines like others. */
async function enqueueStep(
  producer: Producer,
  record: RunRecord,
  source: number,
  lines: readonly RawLine[],
  gold: readonly RawLine[],
  mixing: Mixing | null,
): Promise<Enqueued> {
  if (mixing === null || gold.length === 0) return enqueue(producer, record, source, lines);
  const done = await enqueue(producer, record, source, lines);
  const more = await enqueue(producer, record, mixing.source, gold);
  return { ...done, lines: done.lines + more.lines };
}

/** Null when the lease is lost: then nothing was counted. */
async function moveCursor(
  { redis }: Producer,
  keys: RunKeys,
  lease: Lease,
  step: Omit<Step, 'queued'> & Pick<Enqueued, 'lines' | 'blank' | 'bytes'>,
  produced = false,
): Promise<Depth | null> {
  const { moved, ...depth } = await checkpoint(redis, keys, lease.token, { ...step, produced });
  return moved ? depth : null;
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

/** The source's lines; in a pilot, only the chosen ones. Ends without an error when the signal aborts. */
export async function* readUntil(
  { objectStores }: Producer,
  { id, pilot, manifest: { chosen } }: RunRecord,
  source: Source,
  from: { line: number; offset: number },
  signal: AbortSignal,
  digest: ContentDigest | null = null,
): AsyncIterable<RawLine[]> {
  try {
    const options = { signal, objectStores, digest };
    if (pilot !== undefined && chosen === undefined)
      throw new IngestError('internal', `pilot ${id} has lost its list of lines, and would take all`);
    if (chosen === undefined) yield* readLines(source, from, options);
    else yield* readChosen(source, chosen.places[source.index] ?? [], from, options);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
