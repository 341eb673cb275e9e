import { higherThreshold, isDelivered, meets, parseCondition } from '../config/escalation-condition.js';
import type { SettledResult } from '../gateway/types.js';
import type { PolledLine } from '../queues/chunk.js';
import { settledEnding } from '../results/endings.js';
import type { EscalationOutcome, FirstAnswer } from '../runs/escalation.js';
import type { RunKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { holdEscalation, reserveEscalation, unreserveEscalation } from '../runs/scripts.js';
import { type CallFailure, classifyFailure } from './call-failure.js';
import type { ConsumerContext } from './context.js';
import { blockRun, type ConsumedRun, callGateway, isHeld, nextBackoff } from './gateway-call.js';
import type { LineOutcome } from './process-chunk.js';
import { taskOf, thresholdOf } from './task-of.js';

type Outcome = LineOutcome<PolledLine>;

/** A line whose second task may not be submitted now checks again after this time; ms. */
const LOOK_AGAIN_MS = 5_000;

/** Whether the field that `--escalate` uses is in a result only, and not in a delivery. */
export function escalatesByCounts({ task: { escalate } }: RunRecord): boolean {
  const condition = parseCondition(escalate ?? '');
  return condition !== undefined && !isDelivered(condition);
}

/**
 * Asks a line again whose answer meets `--escalate`: once, with more labelers, under a key that follows from the line's.
 * The first answer is in the line's job before the second task is submitted, and stays there until that one has ended. So a
 * crash at any step submits under the same key again, and buys nothing twice.
 */
export function createEscalation(context: ConsumerContext, run: ConsumedRun, keys: RunKeys) {
  const { redis } = context;

  /** The line keeps the label that it had at first. */
  function keepsFirst(
    source: number,
    line: PolledLine,
    first: FirstAnswer,
    outcome: EscalationOutcome,
  ): Outcome {
    const { result, by, ageMs } = first;
    return {
      kind: 'ended',
      ending: settledEnding(run.record, source, line, result, by, ageMs, { outcome, first: null }),
    };
  }

  /** Waits in a job of its own, with its first answer, and is not polled meanwhile. */
  function waitsAlone(line: PolledLine, delayMs: number): Outcome {
    const { awaitsDelivery: _ofFirst, seen: _seenOfFirst, ...rest } = line;
    return { kind: 'alone', line: rest, delayMs };
  }

  async function submit(source: number, line: PolledLine, first: FirstAnswer): Promise<Outcome> {
    if (run.record.state === 'cancelled') return keepsFirst(source, line, first, 'cancelled');
    if (run.interrupts.submit.aborted) return waitsAlone(line, LOOK_AGAIN_MS);
    const verdict = await reserveEscalation(redis, keys, source, line.line, first.again);
    if (verdict === 'cancelled' || verdict === 'budget' || verdict === 'spend' || verdict === 'day')
      return keepsFirst(source, line, first, verdict);
    if (verdict === 'held') return waitsAlone(line, LOOK_AGAIN_MS);
    const fresh = verdict === 'fresh';
    const unreserve = async () => {
      if (fresh) await unreserveEscalation(redis, keys, source, line.line);
    };
    try {
      const answer = await callGateway(context, run, 'submit', (options) =>
        context.client.submitTask(taskOf(run.record, source, line, context.webhooks?.callbackUrl), options),
      );
      context.metrics.submitted.inc({ outcome: answer.idempotent ? 'replayed' : 'created' });
      if (answer.idempotent) await unreserve();
      const { backoff: _over, ...rest } = line;
      const awaits = context.webhooks === null ? {} : { awaitsDelivery: true as const };
      const asked = {
        ...rest,
        ...awaits,
        task: answer.task_id,
        at: run.clock.now(),
        escalated: true as const,
      };
      return { kind: 'alone', line: asked, delayMs: run.polls.nextPollDelayMs(0) };
    } catch (error) {
      if (isHeld(error)) {
        await unreserve();
        return waitsAlone(line, LOOK_AGAIN_MS);
      }
      const trouble = classifyFailure(error, 'submit');
      if (trouble === null) throw error;
      // A call whose answer is lost may have bought it.
      if (trouble.kind !== 'again') await unreserve();
      return refused(source, line, first, trouble);
    }
  }

  async function refused(
    source: number,
    line: PolledLine,
    first: FirstAnswer,
    trouble: CallFailure,
  ): Promise<Outcome> {
    switch (trouble.kind) {
      case 'rate_limited':
        return waitsAlone(line, 1);
      case 'run':
        return (await blockRun(context, run, trouble)) === null
          ? waitsAlone(line, LOOK_AGAIN_MS)
          : keepsFirst(source, line, first, 'cancelled');
      case 'again': {
        const backoff = await nextBackoff(context, run, line.backoff, trouble);
        return backoff === null ? failed(source, line, first) : waitsAlone({ ...line, backoff }, backoff.ms);
      }
      default:
        return keepsFirst(source, line, first, 'failed');
    }
  }

  /** The second task may have been bought: what it may cost stays reserved. */
  async function failed(source: number, line: PolledLine, first: FirstAnswer): Promise<Outcome> {
    await holdEscalation(redis, keys, source, line.line);
    return keepsFirst(source, line, first, 'failed');
  }

  return {
    submit,
    failed,
    /** Null when the line is not to be asked again: it ends with this answer. */
    async begin(
      source: number,
      line: PolledLine,
      result: SettledResult,
      by: 'poll' | 'webhook',
      ageMs: number,
    ): Promise<Outcome | null> {
      const condition = parseCondition(run.record.task.escalate ?? '');
      if (condition === undefined || !meets(condition, result)) return null;
      const asked = thresholdOf(run.record, line);
      const again = higherThreshold(asked);
      const first = { result, by, ageMs, asked, again: again ?? asked };
      if (again === null) return keepsFirst(source, line, first, 'highest');
      // First into a job, and only then to the Gateway: what follows is always of this answer.
      const { backoff: _over, ...rest } = line;
      return waitsAlone({ ...rest, first }, 1);
    },
  };
}
