import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import type { SubmitTaskResult } from '../gateway/types.js';
import type { Pipeline } from '../pipeline.js';
import { jobId, type PollJob, type RunQueues, type SubmitJob } from '../queues/queues.js';
import { deliveryKey, runKeys } from '../runs/keys.js';
import { type Admission, admit, type LineRef, unadmit } from '../runs/scripts.js';
import { transition } from '../runs/transition.js';
import { hintTask, indexTask, wake } from '../webhooks/tasks.js';
import { type ConsumedRun, callGateway, delayJob, delayPaused, delayTrouble, isHeld } from './call.js';
import { CANCELLED, failLine, taskOf } from './lines.js';
import { type Trouble, troubleOf, wrongEndpoint } from './trouble.js';

/** So many refusals and not one acceptance: it is not the lines that are wrong. */
const REFUSALS_OF_A_WRONG_ENDPOINT = 100;
const LOOK_FOR_ROOM_MS = 200;
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

  /** A line waits for room in the in-flight window in its worker's slot: behind it, nothing could go either. */
  async function admitWithRoom(at: LineRef): Promise<Admission> {
    for (;;) {
      const admission = await admit(redis, keys, at, run.record.policy);
      if (admission !== 'full' || run.closing.aborted) return admission;
      const ms = LOOK_FOR_ROOM_MS * (0.5 + Math.random());
      await sleep(ms, undefined, { signal: run.closing }).catch(() => undefined);
    }
  }

  async function submitted(data: SubmitJob, admission: Admission, answer: SubmitTaskResult): Promise<void> {
    const { trouble: _over, ...line } = data;
    const poll: PollJob = { ...line, task: answer.task_id, at: Date.now() };
    const replayed = answer.idempotent === true;
    if (pipeline.webhooks === null) await addPoll(poll, false);
    else {
      // A replayed task may have been bought without a callback, or be delivered long since: its first poll is soon.
      poll.w = true;
      await Promise.all([indexTask(redis, keys, poll.task, jobId(data.s, data.l)), addPoll(poll, !replayed)]);
      await takeEarlyDelivery(poll);
    }
    if (!accepted) await redis.hset(keys.counts, 'accepted', 1);
    accepted = true;
    // A line that was admitted before may have been bought by the attempt that its crash cut off: not given back.
    if (replayed && admission === 'fresh') await redis.hincrby(keys.counts, 'bought', -1);
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
        await delayTrouble(pipeline, run, job, token, trouble);
        return fail(job.data, { code: 'retries_exhausted', ...rest(trouble) });
      case 'run':
        await transition(redis, keys, 'blocked', trouble);
        return delayJob(job, token, WAIT_FOR_STATE_MS);
      case 'line':
        if (pipeline.webhooks !== null && /callback_url/.test(trouble.message))
          return handle(unregistered(trouble.message), job, token);
        if (await refusedAll()) {
          const wrong = wrongEndpoint(
            `refused the first ${REFUSALS_OF_A_WRONG_ENDPOINT} submissions, the last with: ${trouble.message}`,
          );
          return handle(wrong, job, token);
        }
        return fail(job.data, trouble);
      case 'unknown_task':
        return fail(job.data, { code: 'rejected', status: 404, message: 'not found' });
    }
  }

  async function refusedAll(): Promise<boolean> {
    const [accepted, rejected] = await Promise.all([
      redis.hget(keys.counts, 'accepted'),
      redis.hget(keys.failures, 'rejected'),
    ]);
    return Number(accepted ?? 0) === 0 && Number(rejected ?? 0) >= REFUSALS_OF_A_WRONG_ENDPOINT - 1;
  }

  async function fail(data: SubmitJob, failure: { code: string; status?: number; message: string }) {
    pipeline.metrics.submitted.inc({ outcome: 'failed' });
    const attempts = (data.trouble?.calls ?? 0) + 1;
    await failLine(pipeline, run.record, data, { ...failure, stage: 'submit', attempts });
  }

  async function waitFor(admission: Admission, job: Job, token: string | undefined): Promise<void> {
    if (admission === 'budget') {
      const { budget } = run.record.policy;
      const message = `${budget} tasks have been bought, as many as --budget allows; raise it and resume`;
      await transition(redis, keys, 'blocked', { reason: 'budget', message });
    }
    return delayJob(job, token, WAIT_FOR_STATE_MS);
  }
}

const rest = (trouble: { status?: number; message: string }) => ({
  ...(trouble.status === undefined ? {} : { status: trouble.status }),
  message: trouble.message,
});

/** Somebody deleted the webhook: that is no line's fault. */
const unregistered = (message: string): Trouble => ({
  kind: 'run',
  reason: 'wrong_endpoint',
  message: `the Gateway refuses tasks with --webhook-url (${message}); start the processes that take its deliveries again, they register it, then resume`,
});
