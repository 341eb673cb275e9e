import { setMaxListeners } from 'node:events';
import { IngestError } from '../lib/errors.js';
import { advancePolls } from '../queues/advance-polls.js';
import type { ChunkData } from '../queues/chunk.js';
import { openQueues, requestFlush } from '../queues/queues.js';
import { shortenLocks } from '../queues/shorten-locks.js';
import { createWorker, type RunWorker } from '../queues/worker.js';
import { retryTemporaryErrors } from '../redis/temporary-errors.js';
import { flushOnce } from '../results/flush.js';
import { createRecorder } from '../results/recorder.js';
import { openSink } from '../results/sink.js';
import { allEnded, finishRun, readyForSummary } from '../results/write-summary.js';
import { createCallCounter } from '../runs/call-counts.js';
import { createConsumerHeartbeats } from '../runs/consumer-heartbeats.js';
import { runKeys } from '../runs/keys.js';
import { maySubmitAt, submitsForMs } from '../runs/own-limits.js';
import { type RunReading, readRun } from '../runs/read-status.js';
import type { RunRecord } from '../runs/record.js';
import { createShareSettleTimes } from '../runs/share-settle-times.js';
import { endedLines } from '../runs/status.js';
import { pausedQueues, transition } from '../runs/transition.js';
import { createCallInterrupts } from './call-interrupts.js';
import type { ConsumerContext } from './context.js';
import type { ConsumedRun } from './gateway-call.js';
import { createInterruptibleSleep, type InterruptibleSleep } from './interruptible-sleep.js';
import { createLimitWatch } from './limits-reached.js';
import { linesInHand } from './lines-in-hand.js';
import { pollProcessor } from './poll.js';
import { createPolls } from './poll-schedule/polls.js';
import { createReach } from './reach.js';
import { createRedisClock } from './redis-clock.js';
import { submitProcessor } from './submit.js';

const TICK_MS = 1_000;
const CLOSE_DEADLINE_MS = 10_000;
const SINK_TRIES = 5;
/** Redis' clock counts as set back when it lags by more than this. */
const SET_BACK_MS = 1_000;

export interface Consumer {
  readonly record: RunRecord;
  /** The error that keeps a cancelled run, which cannot block, from ending. */
  readonly failure: Error | null;
  /** Gateway calls of this process for the run, over the last few seconds. */
  callsPerSecond(): number;
  start(): Promise<void>;
  /** Reads the run now, acts on what it finds, and resolves to it; null when the run is gone. */
  tick(): Promise<RunReading | null>;
  /** Resolves after `ms`, sooner when the run may have come nearer to its end, or when aborted. */
  rest: InterruptibleSleep['sleep'];
  /** Takes no new jobs, and waits up to 10 s for calls in flight. Idempotent. */
  close(): Promise<void>;
}

/** Consumes one run in this process: its submit, poll and flush workers, and a check of its state once a second. */
export function createConsumer(context: ConsumerContext, record: RunRecord): Consumer {
  const { redis, prefix, log: parentLog } = context;
  const log = parentLog.child({ run: record.id });
  const keys = runKeys(prefix, record.id);
  const sink = context.openSink?.(record.out) ?? openSink(record.out, context.objectStores);
  const flusher = { redis, prefix, sink, forecast: context.forecast };
  const queues = openQueues(keys, context.connection, (error) => log.debug({ err: error }, 'queue error'));
  const callCounter = createCallCounter(redis, keys, record);
  const heartbeats = createConsumerHeartbeats(redis, keys);
  const holds = { fleetUntil: 0, flush: true };
  const closed = new AbortController();
  // A pause of the fleet is on the record of the runs of the process that opened it, once for each.
  const unsubscribe = context.budget.onPause(({ ms, reason }) => {
    if (reason === 'rate_limited') callCounter.backoff(ms);
  });
  const interrupts = createCallInterrupts();
  const rest = createInterruptibleSleep();
  // Every waiting submission listens.
  setMaxListeners(0, closed.signal);
  let sinkErrors = 0;
  const clock = createRedisClock();
  let failure: Error | null = null;
  /** Lines that had not ended at the last check, minus those that this process has ended since. */
  let left = 0;
  const limitPassed = createLimitWatch();

  const run: ConsumedRun = {
    record,
    callCounter,
    polls: createPolls({
      policy: record.policy,
      shareSettleTimes: createShareSettleTimes(redis, keys),
      advancePolls: (times) => advancePolls(redis, keys, times),
      concurrency: context.concurrency,
    }),
    submitting: 0,
    clock,
    recorder: createRecorder(redis, keys, context.metrics, (lines) => {
      left -= lines;
      if (left <= 0) rest.wake();
    }),
    reach: createReach(),
    holdUntil(time) {
      holds.fleetUntil = Math.max(holds.fleetUntil, time);
      applyHolds();
    },
    closing: closed.signal,
    get interrupts() {
      return interrupts.signals;
    },
  };
  const shared = { keys, connection: context.connection, log };
  const lines = {
    ...shared,
    concurrency: context.concurrency,
    mostLines: context.concurrency,
    linesOf: ({ n }: ChunkData) => n,
  };
  const submit = createWorker({ ...lines, name: 'submit', process: submitProcessor(context, run, queues) });
  const poll = createWorker({ ...lines, name: 'poll', process: pollProcessor(context, run, queues) });
  const flush = createWorker({
    ...shared,
    name: 'flush',
    concurrency: 1,
    mostLines: null,
    process: flushRun,
  });
  const workers: RunWorker[] = [submit, poll, flush];

  let unholdTimer: NodeJS.Timeout | undefined;
  function applyHolds(): void {
    const leftMs = holds.fleetUntil - Date.now();
    for (const each of [submit, poll]) {
      if (leftMs > 0) each.hold();
      else each.unhold();
    }
    clearTimeout(unholdTimer);
    if (leftMs > 0 && !closing) unholdTimer = setTimeout(applyHolds, leftMs + 1);
  }

  /** `--hours` may end between two checks. */
  let hoursTimer: NodeJS.Timeout | undefined;
  function interruptAtEndOfHours({ record: { policy }, nowMs }: RunReading): void {
    clearTimeout(hoursTimer);
    const leftMs = submitsForMs(policy, nowMs);
    if (leftMs <= 2 * TICK_MS) hoursTimer = setTimeout(() => interrupts.interrupt('submit'), leftMs);
  }

  async function flushRun(): Promise<void> {
    try {
      for (;;) {
        const reading = await readRun(redis, prefix, record.id);
        if (reading === null || !(reading.planned || flushDue(reading))) break;
        const parts = await flushOnce(flusher, run.record);
        for (const part of parts) {
          context.metrics.parts.inc({ sink: sink.kind });
          context.metrics.resultsWritten.inc({ sink: sink.kind }, part.rows);
        }
      }
      await publishCounts(await readRun(redis, prefix, record.id));
      // Until the other consumers have reported, the next check asks for a flush again.
      if (await heartbeats.allCountsFlushed()) {
        await finishRun(flusher, record.id, log);
        rest.wake();
      }
      [sinkErrors, failure] = [0, null];
    } catch (error) {
      sinkErrors += 1;
      log.warn({ err: error, tries: sinkErrors }, 'a flush failed');
      if (sinkErrors < SINK_TRIES) return;
      const { message: what, hint = 'mend it' } = error as Error & { hint?: string };
      const place = `results cannot be written to ${record.out}: ${what}`;
      const message = `${place}; ${hint.replace(/\.$/, '')}, and resume`;
      const state = await transition(redis, keys, 'blocked', { reason: 'sink', message });
      if (state === 'cancelled') failure = new IngestError('sink', place, { hint });
    }
  }

  function flushDue(reading: RunReading): boolean {
    const { unflushed, record: now } = reading;
    if (unflushed.rows === 0) return false;
    return (
      unflushed.bytes >= now.policy.partSizeBytes ||
      unflushed.oldestMs >= now.policy.partAgeMs ||
      allEnded(reading)
    );
  }

  async function applyDecisions(reading: RunReading): Promise<void> {
    const { state: before } = run.record;
    run.record = { ...reading.record, manifest: record.manifest };
    run.reach.read(reading);
    const { state, reason } = reading.record;
    const want = pausedQueues(state, reason);
    if (reading.ownWait !== null) want.submit = true;
    interruptAtEndOfHours(reading);
    // Submissions that wait for a slot check again whether they may still be made.
    if (state === 'cancelled' && before !== state) interrupts.interrupt('submit');
    for (const name of ['submit', 'poll'] as const) {
      if (want[name]) interrupts.interrupt(name);
      else interrupts.allow(name);
      if (want[name] === reading.queuesPaused[name]) continue;
      await (want[name] ? queues[name].pause() : queues[name].resume());
    }
    const passed = limitPassed(reading);
    if (passed !== null) await transition(redis, keys, 'blocked', passed);
    const seen = await sink.sees(record);
    if (seen === holds.flush) {
      holds.flush = !seen;
      if (seen) flush.unhold();
      else flush.hold();
    }
    if (reading.planned || flushDue(reading) || readyForSummary(reading)) await requestFlush(queues);
  }

  /** Puts this process' counts on record; those of all its calls, when every line had ended before. */
  async function publishCounts(reading: RunReading | null): Promise<void> {
    await callCounter.flush();
    await heartbeats.beat(reading !== null && allEnded(reading), {
      callsPerSecond: callCounter.pace(),
      submitting: run.submitting,
    });
  }

  async function tick(): Promise<RunReading | null> {
    callCounter.held(context.budget.heldMs());
    await callCounter.flush();
    const reading = await readRun(redis, prefix, record.id);
    if (reading !== null) {
      const { aheadMs, beforeMs } = clock.sync(reading.nowMs);
      if (beforeMs === null || aheadMs < beforeMs - SET_BACK_MS) await shortenLocks(redis, keys);
      left = reading.status.lines - endedLines(reading.status);
    }
    await publishCounts(reading);
    if (reading !== null && !closing) {
      await applyDecisions(reading);
      const { callMs } = context.concurrencyLimit;
      const budget = await context.budget.snapshot();
      const most = linesInHand(budget, reading.present.consumers, callMs, context.concurrency);
      for (const each of [submit, poll]) each.holdLines(most);
      await run.polls.look(reading);
    }
    return reading;
  }

  let timer: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;
  const tickAndSchedule = async () => {
    await tick().catch((error: unknown) => log.warn({ err: error }, 'could not look at the run'));
    if (!closing) timer = setTimeout(tickAndSchedule, TICK_MS);
  };

  return {
    get failure() {
      return failure;
    },
    get record() {
      return run.record;
    },
    callsPerSecond: callCounter.pace,
    async start() {
      // Until the first check: a waiting job would otherwise make its submissions at once.
      if (!maySubmitAt(record.policy, Date.now())) interrupts.interrupt('submit');
      // This process flushes only when it can reach the sink. Until the first check it does not flush.
      flush.hold();
      await retryTemporaryErrors(() => heartbeats.beat(false));
      for (const each of workers) each.start();
      await tickAndSchedule();
    },
    tick,
    rest: rest.sleep,
    close() {
      closing ??= (async () => {
        closed.abort();
        interrupts.close();
        clearTimeout(timer);
        clearTimeout(unholdTimer);
        clearTimeout(hoursTimer);
        await Promise.all(workers.map((each) => each.close(CLOSE_DEADLINE_MS)));
        unsubscribe();
        await run.polls
          .end()
          .catch((error: unknown) => log.debug({ err: error }, 'the last settle times are lost'));
        await callCounter
          .flush()
          .then(heartbeats.leave)
          .catch((error: unknown) => log.warn({ err: error }, 'the last call counts are lost'));
        await queues.close();
      })();
      return closing;
    },
  };
}
