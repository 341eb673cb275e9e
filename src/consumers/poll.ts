import type { Job } from 'bullmq';
import type { ResultAnswer, SettledResult } from '../gateway/types.js';
import type { Pipeline } from '../pipeline.js';
import { jobId, type PollJob } from '../queues/queues.js';
import { resultRow } from '../results/rows.js';
import { runKeys } from '../runs/keys.js';
import { giveBack, reserve } from '../runs/scripts.js';
import { resultFrom } from '../webhooks/delivery.js';
import { forgetTask, type Hint, hintOf, indexTask, wake } from '../webhooks/tasks.js';
import {
  blockRun,
  type ConsumedRun,
  callGateway,
  delayJob,
  delayPaused,
  delayTrouble,
  isHeld,
} from './call.js';
import { endWithResult, failLine, rowLine, taskOf } from './lines.js';
import { type Trouble, troubleOf, whyOf } from './trouble.js';

const WAIT_FOR_STATE_MS = 1_000;

/**
 * The poll queue's processor: asks for one task's result. Still in progress, the same job goes back to sleep in one
 * atomic step; it holds no slot meanwhile.
 */
export function pollProcessor(pipeline: Pipeline, run: ConsumedRun) {
  const keys = runKeys(pipeline.prefix, run.record.id);

  return async function poll(job: Job<PollJob>, token?: string): Promise<void> {
    const { redis } = pipeline;
    const hint = job.data.w ? await hintOf(redis, keys, job.data.task) : null;
    await collect(job, token, hint);
    // It has ended; a job that goes back to sleep leaves by an error.
    if (job.data.w) await forgetTask(redis, keys, job.data.task, jobId(job.data.s, job.data.l));
  };

  async function collect(job: Job<PollJob>, token: string | undefined, hint: Hint | null): Promise<void> {
    const { data } = job;
    if (hint) return settle(resultFrom(data.task, hint), data, 'webhook');
    const tooSoon = data.w ? null : run.polls.tooSoonMs(Date.now() - data.at);
    if (tooSoon !== null) return delayJob(job, token, tooSoon);
    let answer: ResultAnswer;
    try {
      answer = await callGateway(pipeline, run, 'poll', (options) =>
        pipeline.client.getResult(data.task, options),
      );
    } catch (error) {
      if (isHeld(error)) return delayPaused(run, job, token, error);
      const trouble = troubleOf(error, 'result');
      if (trouble === null) throw error;
      return handle(trouble, job, token);
    }
    return answered(answer, job, token, hint !== null);
  }

  /** `told`: a delivery had said that the task has settled. */
  async function answered(
    answer: ResultAnswer,
    job: Job<PollJob>,
    token: string | undefined,
    told: boolean,
  ): Promise<void> {
    const { data } = job;
    const ageMs = Date.now() - data.at;
    const late = ageMs >= run.record.policy.resultTimeoutMs;
    if (
      answer.status === 'settled' ||
      (answer.status === 'verified' && (late || run.record.policy.until === 'verified'))
    ) {
      pipeline.metrics.polls.inc({ outcome: 'settled' });
      return settle(answer as SettledResult, data, told ? 'webhook' : 'poll');
    }
    if (answer.status !== 'in_progress' && answer.status !== 'pending' && answer.status !== 'verified')
      return fail(data, { code: `task_${answer.status}`, message: `the task ended as ${answer.status}` });
    if (late)
      return fail(data, {
        code: 'result_timeout',
        message: `no result ${Math.round(ageMs / 1000)} s after submission`,
      });
    pipeline.metrics.polls.inc({ outcome: 'pending' });
    pipeline.metrics.pending(ageMs);
    await note(job, ageMs);
    return sleep(job, token, told);
  }

  /** A poll found the task in progress: whatever had kept polls from an answer is over. */
  async function note(job: Job<PollJob>, ageMs: number): Promise<void> {
    const { trouble: over, ...data } = job.data;
    const keepsAge = run.polls.pending(data, ageMs);
    if (keepsAge || over !== undefined) await job.updateData({ ...data, ...(keepsAge && { seen: ageMs }) });
  }

  async function settle(result: SettledResult, data: PollJob, by: 'poll' | 'webhook'): Promise<void> {
    const ageMs = Date.now() - data.at;
    run.polls.settled(data, result, ageMs);
    const row = resultRow(rowLine(run.record, data), result, by);
    const ended = await endWithResult(pipeline, run.record, data, row, ageMs);
    if (ended) pipeline.metrics.settleSeconds.observe(ageMs / 1000);
  }

  async function sleep(job: Job<PollJob>, token: string | undefined, told: boolean): Promise<never> {
    const ageMs = Date.now() - job.data.at;
    const awaitsDelivery = job.data.w === true && !told;
    const gap = awaitsDelivery ? run.polls.safetyMs(ageMs) : run.polls.nextMs(ageMs);
    const asleep = delayJob(job, token, gap);
    if (awaitsDelivery) asleep.catch(() => wakeIfTold(job));
    return asleep;
  }

  /** Until its next poll, which may be over `--result-timeout` by now: no answer says so, and it is not made at once. */
  function waitRefused(job: Job<PollJob>, token: string | undefined): Promise<never> {
    const gap = run.polls.nextMs(Date.now() - job.data.at);
    return delayJob(job, token, Math.max(WAIT_FOR_STATE_MS, gap));
  }

  /** A delivery that came while the job was being worked on could not wake it; what it said is there by now. */
  async function wakeIfTold(job: Job<PollJob>): Promise<void> {
    try {
      if ((await hintOf(pipeline.redis, keys, job.data.task)) !== null) await wake(() => job.promote());
    } catch (error) {
      pipeline.log.debug({ err: error, job: job.id }, 'a delivery was not looked for; the next poll settles');
    }
  }

  async function handle(trouble: Trouble, job: Job<PollJob>, token: string | undefined): Promise<void> {
    switch (trouble.kind) {
      case 'rate_limited':
        return delayJob(job, token, Math.random() * 250);
      case 'again':
        await delayTrouble(pipeline, run, job, token, trouble);
        return fail(job.data, { code: 'retries_exhausted', ...whyOf(trouble) });
      case 'run': {
        const passing = await blockRun(pipeline, run, trouble);
        if (passing !== null) return handle(passing, job, token);
        // Polls go on without a quota: one that is refused for it is not made again at once.
        return trouble.reason === 'quota' ? waitRefused(job, token) : delayJob(job, token, WAIT_FOR_STATE_MS);
      }
      case 'unknown_task':
        return job.data.again
          ? fail(job.data, { code: 'task_not_found', status: 404, message: 'task not found, twice' })
          : submitAgain(job, token);
      case 'line':
        return fail(job.data, { code: trouble.code, ...whyOf(trouble) });
    }
  }

  /** The Gateway does not know a task that it had accepted: under the same key it may, at no further cost. */
  async function submitAgain(job: Job<PollJob>, token: string | undefined): Promise<void> {
    const { data } = job;
    if (run.record.state === 'cancelled')
      return fail(data, {
        code: 'task_not_found',
        status: 404,
        message: 'task not found; the run is cancelled',
      });
    if (!(await reserve(pipeline.redis, keys))) {
      const message =
        'the Gateway has forgotten a task, and --budget does not allow another; run again with a larger one';
      await blockRun(pipeline, run, { kind: 'run', reason: 'budget', message });
      return waitRefused(job, token);
    }
    try {
      const answer = await callGateway(pipeline, run, 'submit', (options) =>
        pipeline.client.submitTask(taskOf(run.record, data, pipeline.webhooks?.callbackUrl), options),
      );
      pipeline.metrics.submitted.inc({ outcome: answer.idempotent ? 'replayed' : 'created' });
      if (answer.idempotent) await giveBack(pipeline.redis, keys);
      await follow(job, answer.task_id);
    } catch (error) {
      if (isHeld(error)) {
        await giveBack(pipeline.redis, keys);
        return delayPaused(run, job, token, error);
      }
      const trouble = troubleOf(error, 'submit');
      if (trouble === null) throw error;
      // A call whose answer is lost may have bought one.
      if (trouble.kind !== 'again') await giveBack(pipeline.redis, keys);
      return handle(trouble, job, token);
    }
    return delayJob(job, token, run.record.policy.pollDelayMs);
  }

  async function follow(job: Job<PollJob>, task: string): Promise<void> {
    const { w: indexed, seen: _ofTheOldTask, trouble: _over, ...data } = job.data;
    const id = jobId(data.s, data.l);
    const awaits = pipeline.webhooks === null ? {} : { w: true as const };
    if (awaits.w) await indexTask(pipeline.redis, keys, task, id);
    await job.updateData({ ...data, ...awaits, task, at: Date.now(), again: true });
    if (indexed && job.data.task !== data.task) await forgetTask(pipeline.redis, keys, data.task, id);
  }

  async function fail(
    data: PollJob,
    failure: { code: string; status?: number; message: string },
  ): Promise<void> {
    pipeline.metrics.polls.inc({ outcome: 'failed' });
    const attempts = (data.trouble?.calls ?? 0) + 1;
    await failLine(pipeline, run.record, data, { ...failure, stage: 'poll', attempts, taskId: data.task });
  }
}
