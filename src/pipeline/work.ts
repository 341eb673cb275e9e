import { setTimeout as sleep } from 'node:timers/promises';
import { type Consumer, createConsumer } from '../consumers/run-consumer.js';
import type { GatewayCall } from '../gateway/types.js';
import { watchForecast } from '../plan/forecast/watch.js';
import { reopenManifest } from '../producers/reopen-manifest.js';
import { superviseProducer } from '../producers/supervise.js';
import { runKeys } from '../runs/keys.js';
import { readRun } from '../runs/read-status.js';
import { loadRun, type RunRecord } from '../runs/record.js';
import { transition } from '../runs/transition.js';
import { unfinishedRuns } from '../runs/unfinished-runs.js';
import { openProducer } from './open-producer.js';
import type { Pipeline } from './pipeline.js';

const CHECK_EVERY_MS = 1_000;
const QUOTA_CHECK_EVERY_MS = 60_000;
const SWEEP_RETRY_MS = 60_000;
const FORECAST_EVERY_MS = 5_000;

export interface WorkOptions {
  /** How often to check for quota while a run waits for it, ms. Default 60,000. */
  quotaLookMs?: number;
  /** When a sweep for missing lines that met an error is tried again, ms. Default 60,000. */
  sweepAgainMs?: number;
}

/**
 * Consumes every run of the pipeline's Gateway and key, those that come later too. Resolves after the signal, when the
 * runs are closed. An error in the search for runs is logged, and the search goes on.
 */
export async function workRuns(
  pipeline: Pipeline,
  signal: AbortSignal,
  { quotaLookMs = QUOTA_CHECK_EVERY_MS, sweepAgainMs = SWEEP_RETRY_MS }: WorkOptions = {},
): Promise<void> {
  const { log } = pipeline;
  const open = new Map<string, Worked>();
  const resuming = resumeWhenQuota(pipeline, quotaLookMs, signal);
  try {
    while (!signal.aborted) {
      try {
        const live = await unfinishedRuns(pipeline);
        for (const [id, worked] of open) {
          if (live.some((record) => record.id === id)) continue;
          open.delete(id);
          await worked.close();
          log.info({ run: id }, 'run ended');
        }
        for (const record of live) {
          if (open.has(record.id)) continue;
          const whole = await loadRun(pipeline.redis, pipeline.prefix, record.id);
          if (whole === null) continue;
          open.set(record.id, await workOne(pipeline, whole, sweepAgainMs));
          log.info({ run: record.id }, 'run opened');
        }
      } catch (error) {
        log.warn({ err: error }, 'could not look for runs');
      }
      await sleep(CHECK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await Promise.all([resuming, ...[...open.values()].map((worked) => worked.close())]);
  }
}

interface Worked {
  consumer: Consumer;
  close(): Promise<void>;
}

async function workOne(pipeline: Pipeline, record: RunRecord, sweepAgainMs: number): Promise<Worked> {
  const consumer = createConsumer(pipeline, record);
  const producer = openProducer(pipeline, record);
  const stop = new AbortController();
  await consumer.start();
  const forecasting = forecastWhileOpen(pipeline, record, stop.signal);
  const sweeping = sweepWhileOpen(pipeline, record, producer, sweepAgainMs, stop.signal);
  return {
    consumer,
    async close() {
      stop.abort();
      await Promise.all([sweeping, forecasting]);
      await consumer.close();
      await producer.close();
    },
  };
}

/** A run that only `work` consumes is checked against its forecast too, and reported when late. */
async function forecastWhileOpen(pipeline: Pipeline, { id }: RunRecord, signal: AbortSignal): Promise<void> {
  const forecast = watchForecast(pipeline, id);
  while (!signal.aborted) {
    try {
      const reading = await readRun(pipeline.redis, pipeline.prefix, id);
      if (reading !== null) await forecast.look(reading);
    } catch (error) {
      pipeline.log.debug({ run: id, err: error }, 'no forecast was made');
    }
    await sleep(FORECAST_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Queues missing lines again, if this process can read the manifest. */
async function sweepWhileOpen(
  pipeline: Pipeline,
  record: RunRecord,
  producer: ReturnType<typeof openProducer>,
  retryEveryMs: number,
  signal: AbortSignal,
): Promise<void> {
  // On this machine another file may have the manifest's name. That is no reason to block the run.
  const reopen = () =>
    reopenManifest(pipeline, record).catch((cause: unknown) => {
      throw new Error((cause as Error).message, { cause });
    });
  const options = { until: 'ended', mayProduce: false, signal } as const;
  for (;;) {
    try {
      return await superviseProducer(producer, record, reopen, options);
    } catch (error) {
      // The manifest may become readable later. Until then another process may sweep.
      pipeline.log.warn({ run: record.id, err: error }, 'lines are missing; `produce` or `run` sweeps them');
      if (signal.aborted) return;
      await sleep(retryEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Runs that wait for quota go on when there is some. */
async function resumeWhenQuota(pipeline: Pipeline, everyMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const live = await unfinishedRuns(pipeline);
      const waiting = live.filter(({ state, reason }) => state === 'blocked' && reason === 'quota');
      const left = waiting.length > 0 ? await quotaLeft(pipeline, signal) : 0;
      if (left <= 0) continue;
      for (const { id } of waiting) {
        await transition(pipeline.redis, runKeys(pipeline.prefix, id), 'running', { onlyFrom: 'quota' });
        pipeline.log.info({ run: id, label_quota: left }, 'quota is back; the run goes on');
      }
    } catch (error) {
      if (!signal.aborted) pipeline.log.warn({ err: error }, 'could not look for quota');
    }
  }
}

/** The call takes a slot of the key's budget, as every call does. */
async function quotaLeft(pipeline: Pipeline, signal: AbortSignal): Promise<number> {
  const slot = await pipeline.budget.acquire('poll', { signal });
  const onCall = (call: GatewayCall) => {
    slot.report(call);
    pipeline.metrics.call(call);
  };
  try {
    return (await pipeline.client.getCustomer({ signal, onCall })).label_quota;
  } finally {
    slot.release();
  }
}
