import type { Job } from 'bullmq';
import type { ResultAnswer, SettledResult } from '../gateway/types.js';
import type { Pipeline } from '../pipeline.js';
import type { PollJob } from '../queues/queues.js';
import { resultRow } from '../results/rows.js';
import { runKeys } from '../runs/keys.js';
import { transition } from '../runs/transition.js';
import { type ConsumedRun, callGateway, delayJob, delayPaused, delayTrouble, isHeld } from './call.js';
import { endWithResult, failLine, rowLine, taskOf } from './lines.js';
import { type Trouble, troubleOf } from './trouble.js';

const WAIT_FOR_STATE_MS = 1_000;

/**
 * The poll queue's processor: asks for one task's result. Still in progress, the same job goes back to sleep in one
 * atomic step; it holds no slot meanwhile.
 */
export function pollProcessor(pipeline: Pipeline, run: ConsumedRun) {
  const keys = runKeys(pipeline.prefix, run.record.id);

  return async function poll(job: Job<PollJob>, token?: string): Promise<void> {
    const { data } = job;
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
    return answered(answer, job, token);
  };

  async function answered(answer: ResultAnswer, job: Job<PollJob>, token: string | undefined): Promise<void> {
    const { data } = job;
    const ageMs = Date.now() - data.at;
    const late = ageMs >= run.record.policy.resultTimeoutMs;
    if (
      answer.status === 'settled' ||
      (answer.status === 'verified' && (late || run.record.policy.until === 'verified'))
    )
      return settle(answer as SettledResult, data, ageMs);
    if (answer.status !== 'in_progress' && answer.status !== 'pending' && answer.status !== 'verified')
      return fail(data, { code: `task_${answer.status}`, message: `the task ended as ${answer.status}` });
    if (late)
      return fail(data, {
        code: 'result_timeout',
        message: `no result ${Math.round(ageMs / 1000)} s after submission`,
      });
    pipeline.metrics.polls.inc({ outcome: 'pending' });
    pipeline.metrics.pending(ageMs);
    return sleep(job, token);
  }

  async function settle(result: SettledResult, data: PollJob, ageMs: number): Promise<void> {
    run.polls.settled(result, ageMs);
    pipeline.metrics.polls.inc({ outcome: 'settled' });
    const row = resultRow(rowLine(run.record, data), result, 'poll');
    const ended = await endWithResult(pipeline, run.record, data, row);
    if (ended) pipeline.metrics.settleSeconds.observe(ageMs / 1000);
  }

  function sleep(job: Job<PollJob>, token: string | undefined): Promise<never> {
    const { resultTimeoutMs } = run.record.policy;
    const ageMs = Date.now() - job.data.at;
    const gap = run.polls.nextMs(ageMs);
    return delayJob(job, token, Math.min(gap, Math.max(1, resultTimeoutMs - ageMs)));
  }

  async function handle(trouble: Trouble, job: Job<PollJob>, token: string | undefined): Promise<void> {
    switch (trouble.kind) {
      case 'rate_limited':
        return delayJob(job, token, Math.random() * 250);
      case 'again':
        await delayTrouble(pipeline, run, job, token, trouble);
        return fail(job.data, { code: 'retries_exhausted', message: trouble.message });
      case 'run':
        await transition(pipeline.redis, keys, 'blocked', trouble);
        return delayJob(job, token, WAIT_FOR_STATE_MS);
      case 'unknown_task':
        return job.data.again
          ? fail(job.data, { code: 'task_not_found', status: 404, message: 'task not found, twice' })
          : submitAgain(job, token);
      case 'line':
        return fail(job.data, {
          code: trouble.code,
          ...(trouble.status ? { status: trouble.status } : {}),
          message: trouble.message,
        });
    }
  }

  /** The Gateway does not know a task that it had accepted: under the same key it may, at no further cost. */
  async function submitAgain(job: Job<PollJob>, token: string | undefined): Promise<void> {
    const { data } = job;
    try {
      const answer = await callGateway(pipeline, run, 'submit', (options) =>
        pipeline.client.submitTask(taskOf(run.record, data), options),
      );
      pipeline.metrics.submitted.inc({ outcome: answer.idempotent ? 'replayed' : 'created' });
      await job.updateData({ ...data, task: answer.task_id, at: Date.now(), again: true });
    } catch (error) {
      if (isHeld(error)) return delayPaused(run, job, token, error);
      const trouble = troubleOf(error, 'submit');
      if (trouble === null) throw error;
      return handle(trouble, job, token);
    }
    return delayJob(job, token, run.record.policy.pollDelayMs);
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
