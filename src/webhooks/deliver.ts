import type { Pipeline } from '../pipeline/pipeline.js';
import { type Delivery, hintFrom } from '../queues/delivery.js';
import { openQueues, type RunQueues } from '../queues/queues.js';
import { hintTask, promoteIfDelayed } from '../queues/task-index.js';
import { deliveryKey, runKeys } from '../runs/keys.js';
import type { RunHead } from '../runs/record.js';
import { unfinishedRuns } from '../runs/unfinished-runs.js';

/**
 * How long a delivery is kept for a submission that records its task later. After a lost answer or a crash, the line is
 * submitted again well within this time. A repeated delivery is recognized for the same time.
 */
const REMEMBERED_SECONDS = 120;
const RUN_LIST_MAX_AGE_MS = 1_000;

export type DeliveryOutcome = 'accepted' | 'duplicate' | 'unknown_task';

export interface Deliverer {
  /** Resolves when the delivery is in Redis and its poll jobs are woken. */
  deliver(delivery: Delivery): Promise<DeliveryOutcome>;
  close(): Promise<void>;
}

/**
 * Brings a delivery to the lines that wait for it, in any live run of this Gateway and key.
 *
 * A submission may be recording the task at the same moment: it writes its index entry and then looks for a remembered
 * delivery; here the delivery is remembered first and the index read afterwards. One of the two sees the other.
 */
export function createDeliverer(pipeline: Pipeline, trust: boolean): Deliverer {
  const { redis, prefix, keyFingerprint, log } = pipeline;
  // Every queue that shares the connection listens.
  redis.setMaxListeners(0);
  const runs = createRunList(pipeline);
  const queues = new Map<string, RunQueues>();

  function queuesOf(id: string): RunQueues {
    const known = queues.get(id);
    if (known !== undefined) return known;
    const opened = openQueues(runKeys(prefix, id), redis, (error) =>
      log.debug({ err: error }, 'queue error'),
    );
    queues.set(id, opened);
    return opened;
  }

  async function forgetEnded(live: RunHead[]): Promise<void> {
    for (const [id, opened] of queues) {
      if (live.some((record) => record.id === id)) continue;
      queues.delete(id);
      await opened.close();
    }
  }

  /** Whether any of the runs knows the task, and whether this was its first hint in one of them. */
  async function hintRuns(live: RunHead[], task: string, hint: string) {
    const found = await Promise.all(
      live.map(async ({ id }) => {
        const hinted = await hintTask(redis, runKeys(prefix, id), task, hint);
        if (hinted === null) return null;
        const { backend } = queuesOf(id).poll;
        await Promise.all(hinted.jobs.map((job) => promoteIfDelayed(() => backend.promote(job))));
        return hinted;
      }),
    );
    const known = found.filter((hinted) => hinted !== null);
    return { known: known.length > 0, first: known.some(({ first }) => first) };
  }

  return {
    async deliver(delivery) {
      const task = delivery.task_id;
      const hint = hintFrom(delivery, trust);
      const key = deliveryKey(prefix, keyFingerprint, task);
      const news = (await redis.set(key, hint, 'EX', REMEMBERED_SECONDS, 'NX')) !== null;
      let { known, first } = await hintRuns(await runs.recent(), task, hint);
      if (!known) {
        // A run that began within the last second.
        const live = await runs.now();
        await forgetEnded(live);
        ({ known, first } = await hintRuns(live, task, hint));
      }
      if (known) return first ? 'accepted' : 'duplicate';
      return news ? 'unknown_task' : 'duplicate';
    },
    async close() {
      await Promise.all([...queues.values()].map((opened) => opened.close()));
      queues.clear();
    },
  };
}

/** The live runs, read at most once a second, or again for callers that need the present state. */
function createRunList(pipeline: Pipeline) {
  let known: { at: number; runs: RunHead[] } = { at: 0, runs: [] };
  let next: Promise<RunHead[]> | undefined;
  const now = () => {
    next ??= Promise.resolve().then(async () => {
      next = undefined;
      const at = Date.now();
      const runs = await unfinishedRuns(pipeline);
      if (at > known.at) known = { at, runs };
      return runs;
    });
    return next;
  };
  return {
    now,
    recent: () => (Date.now() - known.at < RUN_LIST_MAX_AGE_MS ? Promise.resolve(known.runs) : now()),
  };
}
