import { DelayedError, type Job } from 'bullmq';
import {
  type Chunk,
  type ChunkData,
  encodeChunk,
  type PolledLine,
  type QueuedLine,
} from '../queues/chunk.js';
import type { DueGroup, DueLine } from '../queues/deal.js';
import type { Recorder } from '../results/recorder.js';
import type { Ending } from '../runs/scripts.js';

/** The result of one attempt of a line. */
export type LineOutcome<L extends QueuedLine> =
  /** It has ended elsewhere. */
  | { kind: 'gone' }
  | { kind: 'ended'; ending: Ending }
  | { kind: 'submitted'; line: PolledLine; delayMs: number }
  /** Back into its queue, with other lines of its chunk. */
  | { kind: 'later'; line: L; delayMs: number }
  /** Back into its queue in a job of its own, so that the line's delay does not hold its neighbours. */
  | { kind: 'alone'; line: L; delayMs: number };

export interface ChunkHandlers<L extends QueuedLine> {
  recorder: Recorder;
  /** One line's story, from the queue to what became of it. */
  handle(line: L): Promise<LineOutcome<L>>;
  /** The line's Gateway call is over: another line may be taken in hand. */
  release(lines: number): void;
  submitted?(source: number, line: PolledLine, delayMs: number): Promise<void>;
  /** Lines that go back into their queue together; the first group keeps the job. */
  group(lines: DueLine<L>[]): DueGroup<L>[];
  /** Puts lines into the queue that this job is from, in other jobs. */
  requeue(source: number, lines: DueLine<L>[]): Promise<void>;
}

/** A line whose call takes long is not to keep a crash from finding its neighbours done. */
const SHRINK_MS = 2_000;

/**
 * The skeleton of submit and poll jobs. A line leaves its job only after its next step is in Redis: its end, its poll
 * job, or another job of its queue (invariant 3). A crash before that does it again, which the line's bit and its key
 * make harmless. Lines that are left keep the job, which goes back to sleep in one atomic step.
 */
export async function processChunk<L extends QueuedLine>(
  job: Job<ChunkData>,
  token: string | undefined,
  { source, lines }: Chunk<L>,
  handlers: ChunkHandlers<L>,
): Promise<void> {
  const waiting = new Map<number, L>(lines.map((line) => [line.line, line]));
  const left: DueLine<L>[] = [];
  const alone: DueLine<L>[] = [];

  async function work(line: L): Promise<void> {
    let outcome: LineOutcome<L>;
    try {
      outcome = await handlers.handle(line);
    } finally {
      handlers.release(1);
    }
    if (outcome.kind === 'ended') await handlers.recorder.end(source, line.line, outcome.ending);
    if (outcome.kind === 'submitted') await handlers.submitted?.(source, outcome.line, outcome.delayMs);
    if (outcome.kind === 'later' || outcome.kind === 'alone') {
      const due = Date.now() + Math.max(1, Math.round(outcome.delayMs));
      (outcome.kind === 'later' ? left : alone).push({ line: outcome.line, due });
    } else waiting.delete(line.line);
  }

  const shrinking = shrinkWhileWorking(job, source, waiting);
  const ends = await Promise.allSettled(lines.map(work));
  await shrinking.stop();
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;

  const [stays, ...others] = handlers.group(left);
  const leave = [...alone, ...others.flatMap(({ lines: some, due }) => some.map((line) => ({ line, due })))];
  if (leave.length > 0) await handlers.requeue(source, leave);
  if (stays === undefined) return;
  await sleepUntil(job, token, source, stays.lines, stays.due, sameLines(stays.lines, lines));
}

/** The job goes back to sleep with these lines. Never returns. */
export async function sleepUntil<L extends QueuedLine>(
  job: Job<ChunkData>,
  token: string | undefined,
  source: number,
  lines: readonly L[],
  due: number,
  unchanged: boolean,
): Promise<never> {
  if (!unchanged || (job.data.w && job.data.due !== due))
    await job.updateData({ ...encodeChunk(source, lines), due });
  await job.moveToDelayed(Math.max(due, Date.now() + 1), token);
  throw new DelayedError();
}

function sameLines(some: readonly unknown[], all: readonly unknown[]): boolean {
  const known = new Set(all);
  return some.length === known.size && some.every((line) => known.has(line));
}

/** While lines are worked on for long, the job forgets those that are done with. */
function shrinkWhileWorking<L extends QueuedLine>(
  job: Job<ChunkData>,
  source: number,
  waiting: ReadonlyMap<number, L>,
) {
  let written = waiting.size;
  let writing = Promise.resolve();
  const timer = setInterval(() => {
    if (waiting.size === 0 || waiting.size === written) return;
    written = waiting.size;
    const { due } = job.data;
    const data = { ...encodeChunk(source, [...waiting.values()]), ...(due === undefined ? {} : { due }) };
    writing = job.updateData(data).catch(() => undefined);
  }, SHRINK_MS);
  return {
    async stop() {
      clearInterval(timer);
      await writing;
    },
  };
}
