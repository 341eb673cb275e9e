import type { Endpoint } from '../context.js';
import { isRegistered } from '../create-task.js';
import { failure, reply } from '../http.js';
import type { Job, JobSecrets } from '../jobs/job.js';
import { DEFAULT_TYPE, jobProblem, type WireJob } from '../jobs/validate.js';
import { newId } from '../store.js';

export const createJob: Endpoint = ({ store, jobs, sealer, options }, { customer, body }) => {
  const problem = jobProblem(body, isRegistered(customer), options);
  if (problem !== null) return failure(400, problem);
  const wire = body as WireJob;
  const id = newId('job');
  const secrets = { manifest_url: wire.manifest_url, credentials: wire.credentials ?? null } as JobSecrets;
  const spec = store.spec({
    type: wire.task_type ?? DEFAULT_TYPE,
    question: wire.label_spec.question,
    options: wire.label_spec.options,
    threshold: wire.consensus_threshold ?? 3,
    callbackUrl: wire.callback_url ?? null,
  });
  const job = store.addJob(customer, spec, {
    id,
    manifestUrl: shownUrl(wire.manifest_url),
    sealed: sealer.seal(JSON.stringify(secrets), id),
    bucket: wire.delivery?.bucket ?? null,
    created: Date.now(),
  });
  jobs.start(job);
  return reply(202, shown(job));
};

/** Another customer's job is not there. */
export const getJob: Endpoint = ({ store }, { customer, id }) => {
  const job = store.job(id);
  return job?.customer === customer ? reply(200, shown(job)) : failure(404, 'job not found');
};

/** Without what may be a secret in it. */
function shownUrl(text: string): string {
  if (!/^https?:/i.test(text)) return text;
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}

function shown({ id, spec, manifestUrl, bucket, created, end, started, settles, rejected }: Job) {
  const now = Date.now();
  return {
    job_id: id,
    status: end?.status ?? (started ? 'processing' : 'pending'),
    manifest_url: manifestUrl,
    task_type: spec.type,
    label_spec: { question: spec.question, options: spec.options },
    consensus_threshold: spec.threshold,
    callback_url: spec.callbackUrl,
    delivery: bucket === null ? null : { type: 's3', bucket },
    task_count: end?.tasks ?? settles.length,
    settled_count: end?.status === 'completed' ? end.tasks : settles.filter((at) => at <= now).length,
    rejected_count: end?.rejected ?? rejected,
    created_at: new Date(created).toISOString(),
    ended_at: end === null ? null : new Date(end.ended).toISOString(),
    error: end?.error ?? null,
  };
}
