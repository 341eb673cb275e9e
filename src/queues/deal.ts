import { randomBytes } from 'node:crypto';
import type { RedisClient } from '../redis/connection.js';
import { retryTemporaryErrors } from '../redis/temporary-errors.js';
import type { RunKeys } from '../runs/keys.js';
import { CHUNK_LINES, encodeChunk, intoChunks, type PolledLine } from './chunk.js';
import type { RunQueues } from './queues.js';
import { indexTasks } from './task-index.js';

/** Tasks that were submitted at about the same time are polled at about the same time: they share a job. */
const WITHIN_MS = 50;
/**
 * Due times no further apart than this share a job, which is due at the last of them. In ms, or as a share of the wait.
 */
const NEAR_MS = 100;
const NEAR_SHARE = 0.05;

export interface DueLine<L> {
  line: L;
  /** Epoch ms. */
  due: number;
}

export interface DueGroup<L> {
  lines: L[];
  due: number;
}

/** Lines whose due times lie close together, the earliest group first. */
export function groupByDue<L>(lines: readonly DueLine<L>[], now: number): DueGroup<L>[] {
  const groups: (DueGroup<L> & { latest: number })[] = [];
  for (const { line, due } of [...lines].sort((a, b) => a.due - b.due)) {
    const last = groups.at(-1);
    if (last !== undefined && due <= last.latest) {
      last.lines.push(line);
      last.due = due;
    } else groups.push({ lines: [line], due, latest: due + Math.max(NEAR_MS, (due - now) * NEAR_SHARE) });
  }
  return groups;
}

/** Puts tasks into the poll queue, many to a job. */
export interface Dealer {
  /** Resolves when the task is in the queue, due at that time (epoch ms). */
  deal(source: number, line: PolledLine, due: number): Promise<void>;
}

interface Dealing {
  lines: DueLine<PolledLine>[];
  dealt: Promise<void>;
}

export function createDealer(redis: RedisClient, keys: RunKeys, queues: RunQueues): Dealer {
  const dealing = new Map<number, Dealing>();
  return {
    deal(source, line, due) {
      let now = dealing.get(source);
      if (now === undefined) {
        const lines: DueLine<PolledLine>[] = [];
        const dealt = new Promise<void>((resolve, reject) => {
          setTimeout(() => {
            dealing.delete(source);
            addPolls(redis, keys, queues, source, lines).then(resolve, reject);
          }, WITHIN_MS);
        });
        now = { lines, dealt };
        dealing.set(source, now);
      }
      now.lines.push({ line, due });
      return now.dealt;
    },
  };
}

/** Adds jobs for these lines: those that are due at about the same time in one. */
export async function addPolls(
  redis: RedisClient,
  keys: RunKeys,
  queues: RunQueues,
  source: number,
  lines: readonly DueLine<PolledLine>[],
): Promise<void> {
  const now = Date.now();
  const jobs = groupByDue(lines, now).flatMap(({ lines: together, due }) =>
    [...intoChunks(together, CHUNK_LINES)].map((chunk) => ({ chunk, due, id: pollJobId(source, chunk) })),
  );
  // A delivery that comes at once has to find the job: the index first. The tasks are paid for: a Redis that refuses is
  // waited for, and the jobs keep their ids.
  await retryTemporaryErrors(async () => {
    await Promise.all(jobs.map(({ chunk, id }) => indexTasks(redis, keys, id, awaited(chunk))));
    await queues.poll.addBulk(
      jobs.map(({ chunk, due, id }) => ({
        name: 'poll',
        data: { ...encodeChunk(source, chunk), due },
        opts: { jobId: id, delay: Math.max(1, Math.round(due - now)) },
      })),
    );
  });
}

const awaited = (lines: readonly PolledLine[]) =>
  lines.filter((line) => line.awaitsDelivery).map(({ task }) => task);

/** A new id each time: BullMQ ignores a job whose id exists, and the lines would be lost. */
const pollJobId = (source: number, [first]: readonly PolledLine[]): string =>
  `${source}-${first?.line ?? 0}-${randomBytes(5).toString('hex')}`;
