import { foundRate } from '../budget/index.js';
import { linesPerChunk } from '../producers/pack.js';
import type { Producer } from '../producers/producer.js';
import { openEarlier } from '../producers/since/earlier.js';
import { openQueues } from '../queues/queues.js';
import { redisNow } from '../redis/read-groups.js';
import { liveConsumersIn } from '../runs/consumer-heartbeats.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import type { Pipeline } from './pipeline.js';

/** The parts to produce a run, with queues of its own; `close()` closes these. */
export function openProducer(pipeline: Pipeline, record: RunRecord): Producer & { close(): Promise<void> } {
  const { redis, prefix, metrics, log, objectStores } = pipeline;
  const queues = openQueues(runKeys(prefix, record.id), pipeline.connection, (error) =>
    log.debug({ err: error }, 'queue error'),
  );
  const earlier = openEarlier(pipeline, record);
  return {
    redis,
    prefix,
    metrics,
    log,
    objectStores,
    queues,
    earlier,
    linesPerChunk: createChunkSize(pipeline, record),
    async close() {
      await Promise.all([queues.close(), earlier?.forget()]);
    },
  };
}

const CHUNK_SIZE_FOR_MS = 1_000;

/** How many lines a job should carry, by the key's rate and the run's processes. Read again once a second. */
function createChunkSize(
  { redis, prefix, budget }: Pipeline,
  { id }: Pick<RunRecord, 'id'>,
): () => Promise<number> {
  let known: { at: number; lines: Promise<number> } | undefined;
  const look = async () => {
    const [budgetNow, consumers, now] = await Promise.all([
      budget.snapshot(),
      redis.hgetall(runKeys(prefix, id).consumers),
      redisNow(redis),
    ]);
    // While the budget ramps up, it passes through a rate within seconds. Such a rate is not the key's limit.
    return linesPerChunk(foundRate(budgetNow), liveConsumersIn(consumers, now).consumers);
  };
  return () => {
    if (known === undefined || Date.now() - known.at > CHUNK_SIZE_FOR_MS)
      known = { at: Date.now(), lines: look() };
    return known.lines;
  };
}
