import path from 'node:path';
import type { Settings } from '../config/index.js';
import { createConsumer } from '../consumers/run-consumer.js';
import { usageError } from '../lib/errors.js';
import { openManifest, removeOrphanSpools, removeSpools, spoolDirOf } from '../manifest/index.js';
import { oddNames } from '../manifest/odd-names.js';
import { wouldReadOwnResults } from '../manifest/own-results.js';
import { watchForecast } from '../plan/forecast/watch.js';
import { chooseLines } from '../plan/pilot/choose.js';
import { checkFirstLines } from '../producers/first-lines.js';
import { readGoldOf } from '../producers/read-gold.js';
import { askSince } from '../producers/since/find-earlier.js';
import { superviseProducer } from '../producers/supervise.js';
import { retryTemporaryErrors } from '../redis/temporary-errors.js';
import { flushOnLeaving } from '../results/flush.js';
import { openSink, resolveOut } from '../results/sink.js';
import { summaryNow } from '../results/write-summary.js';
import { taskOptions } from '../runs/from-settings.js';
import { runKeys } from '../runs/keys.js';
import { pilotOut, refuseStream } from '../runs/pilot-lines.js';
import { type RunReading, readRun } from '../runs/read-status.js';
import type { RunRecord } from '../runs/record.js';
import { COMMANDS } from '../runs/states.js';
import type { BlockReason, RunStatus, RunSummary } from '../runs/status.js';
import { transition } from '../runs/transition.js';
import { waitingForOf } from '../runs/waiting-for.js';
import { openProducer } from './open-producer.js';
import type { Pipeline } from './pipeline.js';
import { policyWithPrice } from './policy-with-price.js';
import { type Prepared, prepareRun } from './prepare.js';

const CHECK_EVERY_MS = 400;
const WAIT_SHOWN_MS = 1_000;
const QUOTA_GRACE_MS = 60_000;

/** How `runManifest` ended. */
export interface RunOutcome {
  /** The fields of `summary.json`, also for a run that stopped before its end. */
  summary: RunSummary;
  /** The place of the parts: a path, `s3://…` or `gs://…`. */
  out: string;
  /** Why it stopped before its end; null when it ended, or was interrupted. */
  blocked: { reason: BlockReason; message: string } | null;
}

/** Callbacks of `runManifest`. */
export interface RunWatch {
  /**
   * Called several times a second. `calls_per_second` is this process' own; `processes` are at work on the run, this
   * one included.
   */
  onStatus?: (status: RunStatus & { calls_per_second: number; read: number; processes: number }) => void;
  /** Called once, when the run is on record. */
  onStart?: (record: RunRecord) => void;
  /** How long lines in flight may settle after the quota has run out, ms. Default 60,000. */
  quotaGraceMs?: number;
}

/**
 * Opens the manifest and records the run: the part of `run` that sends nothing.
 *
 * @throws IngestError `usage`, `manifest` or `sink` when the run cannot begin as asked
 */
export async function prepare(
  pipeline: Pipeline,
  settings: Settings,
  spec: string,
  cwd: string,
  signal?: AbortSignal,
) {
  const { objectStores, log } = pipeline;
  const spoolDir = spoolDirOf(settings.dataDir);
  await removeOrphanSpools(spoolDir);
  const manifest = await openManifest(spec, { cwd, spoolDir, objectStores });
  const { pilot: lines } = settings;
  const onWait = (error: Error) => log.warn({ err: error }, 'Redis refuses, and is waited for');
  try {
    if (lines !== null) refuseStream(manifest);
    if (settings.out !== null && (await wouldReadOwnResults(spec, resolveOut(settings.out, cwd), cwd)))
      throw usageError(
        '--out',
        `${settings.out} is the place that the manifest is read from: the results would be lines of it; nothing was sent`,
        {
          hint: spec.includes('*')
            ? 'give another --out, which the pattern does not match'
            : 'give another --out; a directory of its own within this one will do',
        },
      );
    const odd = oddNames(
      spec,
      manifest.sources.map(({ name }) => name),
    );
    if (odd !== null) log.warn(`${spec}: ${odd}`);
    await checkFirstLines(manifest, taskOptions(settings), { objectStores, signal });
    const sinkOf = pipeline.openSink ?? ((out: string) => openSink(out, objectStores));
    const { since: earlier, carry } = settings;
    const places = { ...pipeline, openSink: sinkOf, gateway: pipeline.origin, cwd };
    const since =
      earlier === null
        ? undefined
        : await retryTemporaryErrors(() => askSince(places, earlier, carry), { signal, onWait });
    const gold = await readGoldOf(settings, manifest, { cwd, objectStores, signal });
    const request = {
      manifest,
      task: taskOptions(settings, gold),
      gold,
      policy: await retryTemporaryErrors(() => policyWithPrice(pipeline, settings), { signal, onWait }),
      gateway: pipeline.origin,
      keyFingerprint: pipeline.keyFingerprint,
      runId: settings.runId,
      out: (id: string) => {
        const out = resolveOut(settings.out ?? path.join('out', id), cwd);
        return lines === null || settings.out === null ? out : pilotOut(out, lines);
      },
      openSink: sinkOf,
      ...(since === undefined ? {} : { since }),
      ...(signal === undefined ? {} : { signal }),
      ...(lines === null
        ? {}
        : {
            pilot: {
              lines,
              choose: () => chooseLines(manifest, lines, { objectStores, ...(signal && { signal }) }),
            },
          }),
    };
    const prepared = await retryTemporaryErrors(
      () => prepareRun(pipeline.redis, pipeline.prefix, request, log),
      {
        signal,
        onWait,
      },
    );
    if (prepared.kind === 'ended') await removeSpools(manifest.sources);
    if (prepared.kind === 'go' && settings.out !== null) {
      const { id, out } = prepared.record;
      if (request.out(id) !== out)
        log.warn(`--out ${settings.out} is not taken: run ${id} has written to ${out} since it began`);
    }
    return { manifest, prepared };
  } catch (error) {
    await removeSpools(manifest.sources);
    throw error;
  }
}

/**
 * The main job: produces and consumes one run in this process until every line has ended, the run blocks, or the
 * signal interrupts it.
 *
 * @throws IngestError as `prepare` does, before anything is sent
 */
export async function runManifest(
  pipeline: Pipeline,
  settings: Settings,
  spec: string,
  options: { cwd: string; signal: AbortSignal } & RunWatch,
): Promise<RunOutcome> {
  const { manifest, prepared } = await prepare(pipeline, settings, spec, options.cwd, options.signal);
  if (prepared.kind === 'ended') return { summary: prepared.summary, out: prepared.out, blocked: null };
  const following = followRun(pipeline, prepared, options, async (record, stop) => {
    const producer = openProducer(pipeline, record);
    try {
      await superviseProducer(producer, record, async () => manifest, {
        until: 'ended',
        mayProduce: true,
        signal: stop,
      });
    } finally {
      await producer.close();
    }
  });
  return following.finally(() => removeSpools(manifest.sources));
}

/** Consumes a run until its end, with any producer beside it. */
export async function followRun(
  pipeline: Pipeline,
  prepared: Extract<Prepared, { kind: 'go' }>,
  options: { signal: AbortSignal } & RunWatch,
  produceBeside: (record: RunRecord, stop: AbortSignal) => Promise<void>,
): Promise<RunOutcome> {
  const { record } = prepared;
  const keys = runKeys(pipeline.prefix, record.id);
  const before = await retryTemporaryErrors(
    () => readRun(pipeline.redis, pipeline.prefix, record.id),
    options,
  );
  if (before?.summedUp) return outcomeOf(pipeline, before);
  if (COMMANDS.run[record.state] === 'running')
    await retryTemporaryErrors(() => transition(pipeline.redis, keys, 'running'), options);
  options.onStart?.(record);
  const consumer = createConsumer(pipeline, record);
  const stop = new AbortController();
  const until = AbortSignal.any([options.signal, stop.signal]);
  let failure: unknown;
  let producing = Promise.resolve();
  let reading: RunReading;
  try {
    // Both at once: the producer reads the first lines while the workers connect.
    producing = produceBeside(record, until).catch((error: unknown) => {
      failure = error;
      stop.abort(error);
    });
    await consumer.start();
    reading = await watch(pipeline, consumer, until, options);
    if (failure !== undefined) throw failure;
  } finally {
    stop.abort();
    await producing;
    await consumer.close();
  }
  const outcome = await outcomeOf(pipeline, reading);
  if (outcome.blocked === null || outcome.blocked.reason === 'sink' || options.signal.aborted) return outcome;
  // Flush first: when the user reads why the run is blocked, all ended lines are in parts.
  const sink = pipeline.openSink?.(record.out) ?? openSink(record.out, pipeline.objectStores);
  await flushOnLeaving({ ...pipeline, sink }, record, pipeline.log);
  return { ...outcome, summary: await summaryNow(pipeline, reading) };
}

async function watch(
  pipeline: Pipeline,
  consumer: ReturnType<typeof createConsumer>,
  signal: AbortSignal,
  { onStatus, quotaGraceMs = QUOTA_GRACE_MS }: RunWatch,
): Promise<RunReading> {
  let blockedSince: number | null = null;
  const forecast = watchForecast(pipeline, consumer.record.id);
  let last: RunReading | null = null;
  let shown: { status: RunStatus; read: number; processes: number } | null = null;
  const show = (status: RunStatus, read: number, processes: number) => {
    shown = { status, read, processes };
    const wait = pipeline.waits?.current();
    const waiting = wait && status.state === 'running' ? { waiting_for: wait.for, message: wait.why } : {};
    onStatus?.({ ...status, ...waiting, calls_per_second: consumer.callsPerSecond(), read, processes });
  };
  // While the run waits for Redis, no check of the run returns.
  const timer = setInterval(() => {
    if (pipeline.waits?.current() && shown) show(shown.status, shown.read, shown.processes);
  }, WAIT_SHOWN_MS);
  try {
    return await looking();
  } finally {
    clearInterval(timer);
  }

  async function looking(): Promise<RunReading> {
    for (;;) {
      const reading = await retryTemporaryErrors(() => consumer.tick(), {
        signal,
        onWait({ message }) {
          if (last !== null)
            show(
              { ...last.status, waiting_for: 'redis', message: `Redis refuses: ${message}` },
              last.read.lines,
              last.present.consumers,
            );
        },
      });
      if (reading === null) throw new Error('the run is gone from Redis');
      last = reading;
      const budget = await retryTemporaryErrors(() => pipeline.budget.snapshot(), { signal });
      reading.status.rate = budget.rate;
      Object.assign(reading.status, waitingForOf(reading, budget));
      await forecast.look(reading);
      show(reading.status, reading.read.lines, reading.present.consumers);
      if (signal.aborted) return reading;
      if (reading.summedUp) return reading;
      if (consumer.failure !== null) throw consumer.failure;
      const { state, reason } = reading.record;
      if (state === 'blocked') {
        blockedSince ??= Date.now();
        const inFlight = reading.jobs.poll + reading.jobs.submitting > 0;
        const settling = reason === 'quota' && inFlight && Date.now() - blockedSince < quotaGraceMs;
        if (!settling) return reading;
      } else blockedSince = null;
      await consumer.rest(CHECK_EVERY_MS, signal);
    }
  }
}

async function outcomeOf(pipeline: Pipeline, reading: RunReading): Promise<RunOutcome> {
  const { record } = reading;
  const blocked =
    record.state === 'blocked' && record.reason !== null
      ? { reason: record.reason, message: record.message ?? record.reason }
      : null;
  const summary = await retryTemporaryErrors(() => summaryNow(pipeline, reading));
  return { summary, out: record.out, blocked };
}
