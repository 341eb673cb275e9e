import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import type { SubmitTaskResult } from '../gateway/types.js';
import type { Pipeline } from '../pipeline.js';
import { jobId, type PollJob, queueKey, type RunQueues, type SubmitJob } from '../queues/queues.js';
import { deliveryKey, runKeys } from '../runs/keys.js';
import { type Admission, admit, giveBack, type LineRef, unadmit } from '../runs/scripts.js';
import { hintTask, indexTask, wake } from '../webhooks/tasks.js';
import {
  blockRun,
  type ConsumedRun,
  callGateway,
  delayJob,
  delayPaused,
  delayTrouble,
  isHeld,
} from './call.js';
import { CANCELLED, failLine, taskOf } from './lines.js';
import { judgeRefusal, prove, REFUSALS_OF_A_WRONG_ENDPOINT } from './proof.js';
import { type Trouble, troubleOf, whyOf, wrongEndpoint } from './trouble.js';

const LOOK_FOR_ROOM_MS = 200;
const HOLD_FOR_ROOM_MS = { full: 5_000, budget: 1_000 };
const WAIT_FOR_STATE_MS = 1_000;

/**
 * The submit queue's processor: one line becomes one task. The job leaves its queue only after the poll job is in
 * Redis (invariant 3); a crash before that submits again under the same key, and the Gateway replays.
 */
export function submitProcessor(pipeline: Pipeline, run: ConsumedRun, queues: RunQueues) {
  const keys = runKeys(pipeline.prefix, run.record.id);
  const { redis } = pipeline;
  /** Whether this process has put on record that the Gateway takes submissions. */
  let accepted = false;

  return async function submit(job: Job<SubmitJob>, token?: string): Promise<void> {
    const { data } = job;
    const at = { source: data.s, line: data.l };
    const admission = await admitWithRoom(at);
    if (admission === 'ended' || admission === 'gone' || admission === 'completed') return;
    if (admission === 'cancelled') return failLine(pipeline, run.record, data, CANCELLED);
    if (admission !== 'fresh' && admission !== 'again') return waitFor(admission, job, token);

    let answer: SubmitTaskResult;
    try {
      answer = await callGateway(pipeline, run, 'submit', (options) =>
        pipeline.client.submitTask(taskOf(run.record, data, pipeline.webhooks?.callbackUrl), options),
      );
    } catch (error) {
      if (isHeld(error)) {
        if (admission === 'fresh') await unadmit(redis, keys, at);
        return delayPaused(run, job, token, error);
      }
      const trouble = troubleOf(error, 'submit');
      if (trouble === null) throw error;
      // Whatever was refused was not bought now; only a line that was admitted before may have been bought then.
      if (admission === 'fresh' && trouble.kind !== 'again') await unadmit(redis, keys, at);
      return handle(trouble, job, token);
    }
    await submitted(data, admission, answer);
  };

  /**
   * A line waits for room in the in-flight window, or for `--budget` that is given back, in its worker's slot, for a
   * while: lines that hold the room and are to be submitted again may be behind it in the queue, and need a slot.
   */
  async function admitWithRoom(at: LineRef): Promise<Admission> {
    const began = Date.now();
    for (;;) {
      const admission = await admit(redis, keys, at);
      if (admission !== 'full' && admission !== 'budget') return admission;
      await sleep(aWhile(), undefined, { signal: run.closing }).catch(() => undefined);
      if (run.closing.aborted || Date.now() - began >= HOLD_FOR_ROOM_MS[admission]) return admission;
      if (admission === 'full' && !(await resultsMakeRoom())) return admission;
    }
  }

  async function resultsMakeRoom(): Promise<boolean> {
    const lists = ['wait', 'active', 'delayed'].map((list) => queueKey(keys, 'poll', list));
    return (await redis.exists(...lists)) > 0;
  }

  async function submitted(data: SubmitJob, admission: Admission, answer: SubmitTaskResult): Promise<void> {
    const { trouble: _over, r: _refused, ...line } = data;
    const poll: PollJob = { ...line, task: answer.task_id, at: Date.now() };
    if (run.polls.learnsFrom(line.l)) poll.seen = 0;
    const replayed = answer.idempotent === true;
    // A line that was admitted before may have been bought by the attempt that its crash cut off: not given back. First
    // of all: a task in the poll queue with its reservation still taken looks as if it had been bought.
    if (replayed && admission === 'fresh') await giveBack(redis, keys);
    if (pipeline.webhooks === null) await addPoll(poll, false);
    else {
      // A replayed task may have been bought without a callback, or be delivered long since: its first poll is soon.
      poll.w = true;
      await Promise.all([indexTask(redis, keys, poll.task, jobId(data.s, data.l)), addPoll(poll, !replayed)]);
      await takeEarlyDelivery(poll);
    }
    if (!accepted) await prove(redis, keys);
    accepted = true;
    pipeline.metrics.submitted.inc({ outcome: replayed ? 'replayed' : 'created' });
  }

  async function addPoll(poll: PollJob, awaitsDelivery: boolean): Promise<void> {
    const delay = Math.round(awaitsDelivery ? run.polls.safetyMs(0) : run.polls.nextMs(0));
    await queues.poll.add('poll', poll, { jobId: jobId(poll.s, poll.l), delay });
  }

  /** A delivery may have come before the task was on record here. */
  async function takeEarlyDelivery({ s, l, task }: PollJob): Promise<void> {
    const said = await redis.get(deliveryKey(pipeline.prefix, pipeline.keyFingerprint, task));
    if (said === null) return;
    await hintTask(redis, keys, task, said);
    await wake(() => queues.poll.backend.promote(jobId(s, l)));
  }

  async function handle(trouble: Trouble, job: Job<SubmitJob>, token: string | undefined): Promise<void> {
    switch (trouble.kind) {
      case 'rate_limited':
        return delayJob(job, token, Math.random() * 250);
      case 'again':
        if (trouble.unreadable && (await judgeRefusal(redis, keys, undefined)).kind === 'endpoint')
          return handle(refusedAll(trouble.message), job, token);
        await delayTrouble(pipeline, run, job, token, trouble);
        return fail(job.data, { code: 'retries_exhausted', ...whyOf(trouble) });
      case 'run': {
        const passing = await blockRun(pipeline, run, trouble);
        if (passing === null) return delayJob(job, token, WAIT_FOR_STATE_MS);
        // Under its key it would have been replayed: it has not been bought, and is not to be any more.
        if (trouble.reason === 'quota') return failLine(pipeline, run.record, job.data, CANCELLED);
        return handle(passing, job, token);
      }
      case 'line':
        if (pipeline.webhooks !== null && /callback_url/.test(trouble.message))
          return handle(unregistered(trouble.message), job, token);
        return refused(trouble, job, token);
      case 'unknown_task':
        return fail(job.data, { code: 'rejected', status: 404, message: 'not found' });
    }
  }

  async function refused(
    trouble: Extract<Trouble, { kind: 'line' }>,
    job: Job<SubmitJob>,
    token: string | undefined,
  ): Promise<void> {
    const verdict = accepted ? { kind: 'line' as const } : await judgeRefusal(redis, keys, job.data.r);
    if (verdict.kind === 'line') return fail(job.data, trouble);
    if (verdict.kind === 'endpoint') return handle(refusedAll(trouble.message), job, token);
    await job.updateData({ ...job.data, r: verdict.round });
    return delayJob(job, token, WAIT_FOR_STATE_MS);
  }

  async function fail(data: SubmitJob, failure: { code: string; status?: number; message: string }) {
    pipeline.metrics.submitted.inc({ outcome: 'failed' });
    const attempts = (data.trouble?.calls ?? 0) + (data.r === undefined ? 1 : 2);
    await failLine(pipeline, run.record, data, { ...failure, stage: 'submit', attempts });
  }

  async function waitFor(admission: Admission, job: Job, token: string | undefined): Promise<void> {
    return delayJob(job, token, admission === 'full' ? aWhile() : WAIT_FOR_STATE_MS);
  }
}

const aWhile = () => LOOK_FOR_ROOM_MS * (0.5 + Math.random());

const refusedAll = (last: string): Trouble =>
  wrongEndpoint(
    `refused ${REFUSALS_OF_A_WRONG_ENDPOINT} lines and accepted none, the last with: ${last.slice(0, 300)}`,
  );

/** Somebody deleted the webhook: that is no line's fault. */
const unregistered = (message: string): Trouble => ({
  kind: 'run',
  reason: 'wrong_endpoint',
  message: `the Gateway refuses tasks with --webhook-url (${message}); start the processes that take its deliveries again, they register it, then resume`,
});
