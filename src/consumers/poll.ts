import type { Job } from 'bullmq';
import type { ResultAnswer, SettledResult } from '../gateway/types.js';
import { type ChunkData, decodeChunk, type PolledLine } from '../queues/chunk.js';
import { addPolls, groupByDue } from '../queues/deal.js';
import { resultFrom } from '../queues/delivery.js';
import type { RunQueues } from '../queues/queues.js';
import { forgetTasks, type Hint, hintsOf, promoteIfDelayed } from '../queues/task-index.js';
import { failedEnding, settledEnding } from '../results/endings.js';
import { endedBits } from '../runs/bits.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { reserveAgain, unreserveAgain } from '../runs/scripts.js';
import { type CallFailure, classifyFailure, failureReason } from './call-failure.js';
import type { ConsumerContext } from './context.js';
import { createEscalation, escalatesByCounts } from './escalate.js';
import { blockRun, type ConsumedRun, callGateway, heldForMs, isHeld, nextBackoff } from './gateway-call.js';
import { type LineOutcome, processChunk, sleepUntil } from './process-chunk.js';
import { labelSpecOf, taskOf } from './task-of.js';

type Outcome = LineOutcome<PolledLine>;

const WAIT_FOR_STATE_MS = 1_000;

/**
 * The poll queue's processor: asks for the results of a chunk's tasks. Those that are still in progress keep the job,
 * which goes back to sleep in one atomic step; it holds no slot meanwhile.
 */
export function pollProcessor(context: ConsumerContext, run: ConsumedRun, queues: RunQueues) {
  const { redis } = context;
  const keys = runKeys(context.prefix, run.record.id);
  const escalation = createEscalation(context, run, keys);

  return async function poll(
    job: Job<ChunkData>,
    token: string | undefined,
    release: (lines: number) => void,
  ): Promise<void> {
    const { source, lines } = decodeChunk<PolledLine>(job.data);
    const id = job.id ?? '';
    const awaiting = lines.filter((line) => line.awaitsDelivery).map(({ task }) => task);
    const tooSoon = awaiting.length > 0 ? null : run.polls.extraSleepMs(run.clock.now() - (job.data.at ?? 0));
    if (tooSoon !== null) {
      release(lines.length);
      return sleepUntil(job, token, source, lines, Math.round(Date.now() + tooSoon), true);
    }
    const [ended, hints] = await Promise.all([
      endedBits(redis, keys, source, lines),
      hintsOf(redis, keys, awaiting),
    ]);
    /** A job that a delivery has woken before its time: its other tasks sleep on. */
    const restMs = (job.data.due ?? 0) - Date.now();
    const done: string[] = [];
    const work = processChunk(
      job,
      token,
      { source, lines },
      {
        recorder: run.recorder,
        release,
        async handle(line) {
          const hint = line.awaitsDelivery ? (hints.get(line.task) ?? null) : null;
          let outcome: Outcome = { kind: 'gone' };
          if (!ended(line.line)) {
            const ageMs = run.clock.now() - line.at;
            const early = line.awaitsDelivery && hint === null && restMs > 0 && !run.polls.isOverdue(ageMs);
            // Its safety net may have been drawn tighter since it went to sleep.
            const delayMs = Math.min(restMs, run.polls.webhookFallbackDelayMs(ageMs));
            outcome = early ? { kind: 'later', line, delayMs } : await pollLine(source, line, hint);
          }
          if (line.awaitsDelivery && leavesTask(outcome, line)) done.push(line.task);
          return outcome;
        },
        group: (later) => groupByDue(later, Date.now()),
        async requeue(from, leaving) {
          await addPolls(redis, keys, queues, from, leaving);
          const moved = leaving.filter(({ line }) => line.awaitsDelivery).map(({ line }) => line.task);
          await forgetTasks(redis, keys, id, moved);
        },
      },
    );
    await work
      .finally(() => forgetTasks(redis, keys, id, done))
      .catch(async (error: unknown) => {
        if (awaiting.length > 0) await promoteIfDelivered(job, awaiting);
        throw error;
      });
  };

  /** A delivery that came while the job was being worked on could not wake it; what it said is there by now. */
  async function promoteIfDelivered(job: Job<ChunkData>, tasks: readonly string[]): Promise<void> {
    try {
      if ((await hintsOf(redis, keys, tasks)).size > 0) await promoteIfDelayed(() => job.promote());
    } catch (error) {
      context.log.debug({ err: error, job: job.id }, 'a delivery was not looked for; the next poll settles');
    }
  }

  async function pollLine(source: number, line: PolledLine, hint: Hint | null): Promise<Outcome> {
    if (line.first !== undefined && !line.escalated) return escalation.submit(source, line, line.first);
    // A delivery has no price.
    if (hint && !needsPrice(run.record) && !escalatesByCounts(run.record))
      return settled(source, line, resultFrom(line.task, hint), 'webhook');
    for (;;) {
      try {
        const answer = await callGateway(context, run, 'poll', (options) =>
          context.client.getResult(line.task, options),
        );
        return answered(source, line, answer, hint !== null);
      } catch (error) {
        if (isHeld(error)) return { kind: 'later', line, delayMs: heldForMs(run, error) };
        const trouble = classifyFailure(error, 'result');
        if (trouble === null) throw error;
        if (trouble.kind !== 'rate_limited') return handle(trouble, source, line);
      }
    }
  }

  /** `delivered`: a delivery had reported that the task has settled. */
  async function answered(
    source: number,
    line: PolledLine,
    answer: ResultAnswer,
    delivered: boolean,
  ): Promise<Outcome> {
    const ageMs = run.clock.now() - line.at;
    const { resultTimeoutMs, until } = run.record.policy;
    const late = ageMs >= resultTimeoutMs;
    if (answer.status === 'settled' || (answer.status === 'verified' && (late || until === 'verified'))) {
      context.metrics.polls.inc({ outcome: 'settled' });
      return settled(source, line, answer as SettledResult, delivered ? 'webhook' : 'poll');
    }
    if (answer.status !== 'in_progress' && answer.status !== 'pending' && answer.status !== 'verified')
      return failed(source, line, {
        code: `task_${answer.status}`,
        message: `the task ended as ${answer.status}`,
      });
    if (late)
      return failed(source, line, {
        code: 'result_timeout',
        message: `no result ${Math.round(ageMs / 1000)} s after submission`,
      });
    context.metrics.polls.inc({ outcome: 'pending' });
    context.metrics.pending(ageMs);
    // The cause that kept polls from an answer is over. A task of the future is as old as it can be shown to be.
    const { backoff: over, ...rest } = { ...line, at: Math.min(line.at, run.clock.now()) };
    const keepsAge = run.clock.hasAge(line.at) && run.polls.observePending(rest, ageMs);
    const next = keepsAge ? { ...rest, seen: ageMs } : over === undefined && ageMs >= 0 ? line : rest;
    const awaitsDelivery = line.awaitsDelivery === true && !delivered;
    return {
      kind: 'later',
      line: next,
      delayMs: awaitsDelivery ? run.polls.webhookFallbackDelayMs(ageMs) : run.polls.nextPollDelayMs(ageMs),
    };
  }

  async function settled(
    source: number,
    line: PolledLine,
    result: SettledResult,
    by: 'poll' | 'webhook',
  ): Promise<Outcome> {
    const ageMs = Math.max(0, run.clock.now() - line.at);
    if (run.clock.hasAge(line.at)) run.polls.observeSettled(line, result, ageMs);
    const wrong = line.key === undefined ? null : wrongLabel(line, result);
    if (wrong !== null) return failed(source, line, { code: 'key_conflict', message: wrong });
    const { first } = line;
    if (first === undefined && run.record.task.escalate !== undefined) {
      const again = await escalation.begin(source, line, result, by, ageMs);
      if (again !== null) return again;
    }
    const same = result.consensus_label === first?.result.consensus_label;
    const asked = first && { outcome: same ? ('same' as const) : ('changed' as const), first };
    return { kind: 'ended', ending: settledEnding(run.record, source, line, result, by, ageMs, asked) };
  }

  /** A key that is not the line's own may belong to another question's task at the Gateway. */
  function wrongLabel(line: PolledLine, { consensus_label: label }: SettledResult) {
    const spec = labelSpecOf(run.record, line);
    if (label == null || spec === null || spec.options.includes(label)) return null;
    return `the task under key ${JSON.stringify(line.key)} has the label ${JSON.stringify(label)}, which is none of the options: the key stands for another question`;
  }

  /** Until its next poll, which may be over `--result-timeout` by now: no answer says so, and it is not made at once. */
  function waitRefused(line: PolledLine): Outcome {
    const delayMs = Math.max(WAIT_FOR_STATE_MS, run.polls.nextPollDelayMs(run.clock.now() - line.at));
    return { kind: 'later', line, delayMs };
  }

  async function handle(trouble: CallFailure, source: number, line: PolledLine): Promise<Outcome> {
    switch (trouble.kind) {
      case 'rate_limited':
        return { kind: 'later', line, delayMs: WAIT_FOR_STATE_MS };
      case 'again': {
        const backoff = await nextBackoff(context, run, line.backoff, trouble);
        if (backoff === null)
          return failed(source, line, { code: 'retries_exhausted', ...failureReason(trouble) });
        return { kind: 'alone', line: { ...line, backoff }, delayMs: backoff.ms };
      }
      case 'run': {
        const passing = await blockRun(context, run, trouble);
        if (passing !== null) return handle(passing, source, line);
        // Polls go on without a quota: one that is refused for it is not made again at once.
        return trouble.reason === 'quota'
          ? waitRefused(line)
          : { kind: 'later', line, delayMs: WAIT_FOR_STATE_MS };
      }
      case 'unknown_task':
        return line.resubmitted
          ? failed(source, line, { code: 'task_not_found', status: 404, message: 'task not found, twice' })
          : submitAgain(source, line);
      case 'line':
        return failed(source, line, { code: trouble.code, ...failureReason(trouble) });
    }
  }

  /** The Gateway does not know a task that it had accepted: under the same key it may, at no further cost. */
  async function submitAgain(source: number, line: PolledLine): Promise<Outcome> {
    if (run.record.state === 'cancelled')
      return failed(source, line, {
        code: 'task_not_found',
        status: 404,
        message: 'task not found; the run is cancelled',
      });
    const lacks = await reserveAgain(redis, keys, source, line.line);
    // Tomorrow there is room.
    if (lacks === 'day') return waitRefused(line);
    if (lacks !== null) {
      const message = `the Gateway has forgotten a task, and --${lacks} does not allow another; run again with a larger one`;
      await blockRun(context, run, { kind: 'run', reason: lacks, message });
      return waitRefused(line);
    }
    try {
      const answer = await callGateway(context, run, 'submit', (options) =>
        context.client.submitTask(taskOf(run.record, source, line, context.webhooks?.callbackUrl), options),
      );
      context.metrics.submitted.inc({ outcome: answer.idempotent ? 'replayed' : 'created' });
      if (answer.idempotent) await unreserveAgain(redis, keys, source, line.line);
      const {
        awaitsDelivery: _indexed,
        seen: _ofTheOldTask,
        backoff: _over,
        boughtElsewhere,
        ...rest
      } = line;
      const awaits = context.webhooks === null ? {} : { awaitsDelivery: true as const };
      const elsewhere = boughtElsewhere && answer.idempotent ? { boughtElsewhere } : {};
      const again = {
        ...rest,
        ...awaits,
        ...elsewhere,
        task: answer.task_id,
        at: run.clock.now(),
        resubmitted: true as const,
      };
      return { kind: 'alone', line: again, delayMs: run.record.policy.pollDelayMs };
    } catch (error) {
      if (isHeld(error)) {
        await unreserveAgain(redis, keys, source, line.line);
        return { kind: 'later', line, delayMs: heldForMs(run, error) };
      }
      const trouble = classifyFailure(error, 'submit');
      if (trouble === null) throw error;
      // A call whose answer is lost may have bought one.
      if (trouble.kind !== 'again') await unreserveAgain(redis, keys, source, line.line);
      return handle(trouble, source, line);
    }
  }

  async function failed(
    source: number,
    line: PolledLine,
    failure: { code: string; status?: number; message: string },
  ): Promise<Outcome> {
    context.metrics.polls.inc({ outcome: 'failed' });
    if (line.first !== undefined) return escalation.failed(source, line, line.first);
    const attempts = (line.backoff?.calls ?? 0) + 1;
    const why = { ...failure, stage: 'poll' as const, attempts, taskId: line.task };
    return { kind: 'ended', ending: failedEnding(run.record, source, line, why) };
  }
}

const needsPrice = ({ policy: { spend, spendPerDay } }: RunRecord) => (spend ?? spendPerDay ?? null) !== null;

/** Whether this job waits for the line's task no more: the line has ended, or leaves for a job of its own. */
const leavesTask = (outcome: Outcome, line: PolledLine): boolean =>
  outcome.kind === 'ended' ||
  outcome.kind === 'gone' ||
  outcome.kind === 'alone' ||
  (outcome.kind === 'later' && outcome.line.task !== line.task);
