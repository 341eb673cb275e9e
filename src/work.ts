import { setTimeout as sleep } from 'node:timers/promises';
import { type Consumer, createConsumer } from './consumers/consume.js';
import { openManifest } from './manifest/index.js';
import type { Pipeline } from './pipeline.js';
import { keepProducing } from './producers/keep-producing.js';
import { openProducer } from './run.js';
import { runKeys } from './runs/keys.js';
import { liveRuns } from './runs/live.js';
import type { RunRecord } from './runs/record.js';
import { transition } from './runs/transition.js';

const LOOK_MS = 1_000;
const QUOTA_LOOK_MS = 60_000;

/** Consumes every run of the pipeline's Gateway and key, those that come later too, until the signal. */
export async function workRuns(pipeline: Pipeline, signal: AbortSignal): Promise<void> {
  const { log } = pipeline;
  const open = new Map<string, Worked>();
  let quotaLookedAt = Date.now();
  try {
    while (!signal.aborted) {
      try {
        const live = await liveRuns(pipeline);
        for (const [id, worked] of open) {
          if (live.some((record) => record.id === id)) continue;
          open.delete(id);
          await worked.close();
          log.info({ run: id }, 'run ended');
        }
        for (const record of live) {
          if (open.has(record.id)) continue;
          open.set(record.id, await workOne(pipeline, record));
          log.info({ run: record.id }, 'run opened');
        }
        if (Date.now() - quotaLookedAt >= QUOTA_LOOK_MS) {
          quotaLookedAt = Date.now();
          await resumeOnQuota(pipeline, live);
        }
      } catch (error) {
        log.warn({ err: error }, 'could not look for runs');
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await Promise.all([...open.values()].map((worked) => worked.close()));
  }
}

interface Worked {
  consumer: Consumer;
  close(): Promise<void>;
}

async function workOne(pipeline: Pipeline, record: RunRecord): Promise<Worked> {
  const consumer = createConsumer(pipeline, record);
  const producer = openProducer(pipeline, record);
  const stop = new AbortController();
  await consumer.start();
  const sweeping = sweepWhileOpen(pipeline, record, producer, stop.signal);
  return {
    consumer,
    async close() {
      stop.abort();
      await sweeping;
      await consumer.close();
      await producer.close();
    },
  };
}

/** Lines that went missing are queued again, if this process can read the manifest. */
async function sweepWhileOpen(
  pipeline: Pipeline,
  record: RunRecord,
  producer: ReturnType<typeof openProducer>,
  signal: AbortSignal,
): Promise<void> {
  const reopen = async () => {
    const manifest = await openManifest(record.manifest.uri, { objectStores: pipeline.objectStores });
    if (manifest.version !== record.manifest.version) throw new Error(`${record.manifest.uri} has changed`);
    return manifest;
  };
  await keepProducing(producer, record, reopen, { until: 'ended', mayProduce: false, signal }).catch(
    (error: unknown) =>
      pipeline.log.warn({ run: record.id, err: error }, 'lines are missing; `produce` sweeps them'),
  );
}

/** Runs that wait for quota go on when there is some. */
async function resumeOnQuota(pipeline: Pipeline, live: RunRecord[]): Promise<void> {
  const waiting = live.filter(({ state, reason }) => state === 'blocked' && reason === 'quota');
  if (waiting.length === 0) return;
  const customer = await pipeline.client.getCustomer();
  if (customer.label_quota <= 0) return;
  for (const { id } of waiting) {
    await transition(pipeline.redis, runKeys(pipeline.prefix, id), 'running');
    pipeline.log.info({ run: id, label_quota: customer.label_quota }, 'quota is back; the run goes on');
  }
}
