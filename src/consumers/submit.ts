import type { Job } from 'bullmq';
import type { SubmitTaskResult } from '../gateway/types.js';
import {
  type ChunkData,
  decodeChunk,
  encodeChunk,
  type PolledLine,
  type QueuedLine,
} from '../queues/chunk.js';
import { createDealer } from '../queues/deal.js';
import { queueKey, type RunQueues } from '../queues/queues.js';
import { hintTask, promoteIfDelayed } from '../queues/task-index.js';
import { CANCELLED, type Failure, failedEnding } from '../results/endings.js';
import { deliveryKey, runKeys } from '../runs/keys.js';
import { judgeRefusal, returnReservations, type Verdict, withdrawAdmission } from '../runs/scripts.js';
import { mayBeBoughtHere, noteBoughtHere } from '../runs/shared-keys.js';
import { admitChunk, jitteredWaitMs } from './admission.js';
import { type CallFailure, classifyFailure, failureReason, wrongEndpoint } from './call-failure.js';
import type { ConsumerContext } from './context.js';
import { blockRun, type ConsumedRun, callGateway, heldForMs, isHeld, nextBackoff } from './gateway-call.js';
import { type LineOutcome, processChunk } from './process-chunk.js';
import { neverReached } from './reach.js';
import { labelersAsked, taskOf } from './task-of.js';

type Outcome = LineOutcome<QueuedLine>;

const WAIT_FOR_STATE_MS = 1_000;
/** With this many lines refused and none accepted, the fault is not in the lines. */
const REFUSALS_OF_A_WRONG_ENDPOINT = 100;

/** The submit queue's processor: the lines of a chunk become tasks, each of which then waits in the poll queue. */
export function submitProcessor(context: ConsumerContext, run: ConsumedRun, queues: RunQueues) {
  const keys = runKeys(context.prefix, run.record.id);
  const { redis } = context;
  const dealer = createDealer(redis, keys, queues);
  /** Whether this process has put on record that the Gateway takes submissions. */
  let accepted = false;

  return async function submit(
    job: Job<ChunkData>,
    token: string | undefined,
    release: (lines: number) => void,
  ): Promise<void> {
    const chunk = decodeChunk<QueuedLine>(job.data);
    const { source } = chunk;
    const admission = admitChunk(
      redis,
      keys,
      source,
      chunk.lines.map(({ line }) => line),
      { labelers: labelersAsked(run.record, chunk.lines), signal: run.closing, resultsMakeRoom },
    );
    await processChunk(job, token, chunk, {
      recorder: run.recorder,
      release,
      async handle(line) {
        const verdict = await admission.of(line.line);
        return counted(run, () => submitLine(source, line, verdict));
      },
      submitted: (from, line, delayMs) => counted(run, () => deal(from, line, delayMs)),
      // The lines wait for the same reason, so they may be checked again together.
      group: (lines) =>
        lines.length === 0
          ? []
          : [{ lines: lines.map(({ line }) => line), due: Math.min(...lines.map(({ due }) => due)) }],
      async requeue(from, lines) {
        const now = Date.now();
        await queues.submit.addBulk(
          lines.map(({ line, due }) => ({
            name: 'submit',
            data: encodeChunk(from, [line]),
            // Tried once more, it is another job; dealt twice by a crash, it is the same one.
            opts: { jobId: `${from}-${line.line}-${stepOf(line)}`, delay: Math.max(1, due - now) },
          })),
        );
      },
    });
  };

  async function submitLine(source: number, line: QueuedLine, verdict: Verdict | 'gone'): Promise<Outcome> {
    const fresh = verdict === 'fresh';
    switch (verdict) {
      case 'gone':
      case 'ended':
        return { kind: 'gone' };
      case 'cancelled':
        return ended(source, line, CANCELLED, true);
      case 'full':
        return { kind: 'later', line, delayMs: jitteredWaitMs() };
      case 'budget':
      case 'spend':
      case 'day':
      case 'held':
        return { kind: 'later', line, delayMs: WAIT_FOR_STATE_MS };
    }
    for (;;) {
      try {
        const answer = await callGateway(context, run, 'submit', (options) =>
          context.client.submitTask(taskOf(run.record, source, line, context.webhooks?.callbackUrl), options),
        );
        return await submitted(source, line, fresh, answer);
      } catch (error) {
        if (isHeld(error)) {
          if (fresh) await withdrawAdmission(redis, keys, source, [line.line]);
          return { kind: 'later', line, delayMs: heldForMs(run, error) };
        }
        const trouble = neverReached(run, error) ?? classifyFailure(error, 'submit');
        if (trouble === null) throw error;
        // The budget has the report: the next slot comes when the fleet goes on.
        if (trouble.kind !== 'rate_limited') return handle(trouble, source, line, fresh);
      }
    }
  }

  async function submitted(
    source: number,
    line: QueuedLine,
    fresh: boolean,
    answer: SubmitTaskResult,
  ): Promise<Outcome> {
    // The cause that kept the line from being accepted is over.
    const polled: PolledLine = {
      line: line.line,
      text: line.text,
      task: answer.task_id,
      at: run.clock.now(),
    };
    if (line.key !== undefined) polled.key = line.key;
    if (run.polls.isSampled(line.line)) polled.seen = 0;
    const replayed = answer.idempotent === true;
    // An earlier attempt that a crash cut off may have bought the line: it is not given back. Do this before adding
    // the poll job. Otherwise the task would look bought for a moment.
    if (replayed && fresh) {
      await returnReservations(redis, keys, source, [line.line], line.key !== undefined);
      if (
        line.key !== undefined &&
        !(await mayBeBoughtHere(redis, keys, { source, line: line.line, key: line.key }))
      )
        polled.boughtElsewhere = true;
    } else if (line.key !== undefined) await noteBoughtHere(redis, keys, line.key);
    if (!accepted) await redis.hset(keys.counts, 'accepted', 1);
    accepted = true;
    context.metrics.submitted.inc({ outcome: replayed ? 'replayed' : 'created' });
    if (context.webhooks === null)
      return { kind: 'submitted', line: polled, delayMs: run.polls.nextPollDelayMs(0) };
    polled.awaitsDelivery = true;
    // A replayed task may have been bought without a callback, or be delivered long since: its first poll is soon.
    return {
      kind: 'submitted',
      line: polled,
      delayMs: replayed ? run.polls.nextPollDelayMs(0) : run.polls.webhookFallbackDelayMs(0),
    };
  }

  async function deal(source: number, line: PolledLine, delayMs: number): Promise<void> {
    await dealer.deal(source, line, Date.now() + Math.round(delayMs));
    if (!line.awaitsDelivery) return;
    // A delivery may have come before the task was on record here.
    const said = await redis.get(deliveryKey(context.prefix, context.keyFingerprint, line.task));
    if (said === null) return;
    const hinted = await hintTask(redis, keys, line.task, said);
    for (const job of hinted?.jobs ?? []) await promoteIfDelayed(() => queues.poll.backend.promote(job));
  }

  async function resultsMakeRoom(): Promise<boolean> {
    const lists = ['wait', 'active', 'delayed'].map((list) => queueKey(keys, 'poll', list));
    return (await redis.exists(...lists)) > 0;
  }

  async function handle(
    trouble: CallFailure,
    source: number,
    line: QueuedLine,
    fresh: boolean,
  ): Promise<Outcome> {
    switch (trouble.kind) {
      case 'rate_limited':
        return { kind: 'later', line, delayMs: WAIT_FOR_STATE_MS };
      case 'again': {
        if (trouble.unreadable && !accepted && (await judge(source, line)) === 'endpoint')
          // An answer that cannot be read may be that of a purchase: the admission stays.
          return handle(refusedAll(trouble.message), source, line, false);
        const backoff = await nextBackoff(context, run, line.backoff, trouble);
        if (backoff !== null) return { kind: 'alone', line: { ...line, backoff }, delayMs: backoff.ms };
        return failed(source, line, { code: 'retries_exhausted', ...failureReason(trouble) }, false);
      }
      case 'run': {
        const passing = await blockRun(context, run, trouble);
        // Under its key it would have been replayed: it has not been bought, and is not to be any more.
        if (passing !== null && trouble.reason === 'quota') return ended(source, line, CANCELLED, fresh);
        if (passing !== null) return handle(passing, source, line, fresh);
        if (fresh) await withdrawAdmission(redis, keys, source, [line.line]);
        return { kind: 'later', line, delayMs: WAIT_FOR_STATE_MS };
      }
      case 'line':
        if (context.webhooks !== null && /callback_url/.test(trouble.message))
          return handle(unregistered(trouble.message), source, line, fresh);
        return refused(trouble, source, line, fresh);
      case 'unknown_task':
        return failed(source, line, { code: 'rejected', status: 404, message: 'not found' }, fresh);
    }
  }

  function judge(source: number, { line, refusedIn }: QueuedLine) {
    return judgeRefusal(redis, keys, { source, line }, refusedIn, REFUSALS_OF_A_WRONG_ENDPOINT);
  }

  /**
   * Until the Gateway has accepted a line, refusals prove nothing against the lines: each is submitted once more, and
   * only a second refusal fails it. With 100 refused once and none accepted, none has failed.
   */
  async function refused(
    trouble: Extract<CallFailure, { kind: 'line' }>,
    source: number,
    line: QueuedLine,
    fresh: boolean,
  ): Promise<Outcome> {
    const verdict = accepted ? 'line' : await judge(source, line);
    if (verdict === 'line') return failed(source, line, trouble, fresh);
    if (verdict === 'endpoint') return handle(refusedAll(trouble.message), source, line, fresh);
    if (fresh) await withdrawAdmission(redis, keys, source, [line.line]);
    return { kind: 'alone', line: { ...line, refusedIn: verdict.round }, delayMs: WAIT_FOR_STATE_MS };
  }

  /** `unbought`: a refused call bought nothing, and the line had not been admitted before. */
  function failed(
    source: number,
    line: QueuedLine,
    { code, status, message }: { code: string; status?: number; message: string },
    unbought: boolean,
  ): Outcome {
    context.metrics.submitted.inc({ outcome: 'failed' });
    const attempts = (line.backoff?.calls ?? 0) + (line.refusedIn === undefined ? 1 : 2);
    const why = { code, message, ...(status === undefined ? {} : { status }) };
    return ended(source, line, { ...why, stage: 'submit', attempts }, unbought);
  }

  function ended(source: number, line: QueuedLine, failure: Failure, unbought: boolean): Outcome {
    return { kind: 'ended', ending: failedEnding(run.record, source, line, failure, unbought) };
  }
}

/** Counts a line as being submitted while something is done with it. */
async function counted<T>(run: ConsumedRun, work: () => Promise<T>): Promise<T> {
  run.submitting += 1;
  try {
    return await work();
  } finally {
    run.submitting -= 1;
  }
}

/** Which try of a line a job of its own is for. */
const stepOf = ({ backoff, refusedIn }: QueuedLine) =>
  `${backoff?.calls ?? 0}.${refusedIn ?? ''}.${backoff?.at ?? 0}`;

const refusedAll = (last: string): CallFailure =>
  wrongEndpoint(
    `refused ${REFUSALS_OF_A_WRONG_ENDPOINT} lines and accepted none, the last with: ${last.slice(0, 300)}`,
  );

/** Somebody deleted the webhook: that is no line's fault. */
const unregistered = (message: string): CallFailure => ({
  kind: 'run',
  reason: 'wrong_endpoint',
  message: `the Gateway refuses tasks with --webhook-url (${message}); start the processes that take its deliveries again, they register it, then resume`,
});
