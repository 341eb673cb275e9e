import { secretsOfCredentials } from '../../gateway/credentials.js';
import { wait } from '../../gateway/wait.js';
import { maskerOf } from '../../lib/mask.js';
import { createObjectStores } from '../../lib/object-stores/index.js';
import { type Manifest, openManifest, parseLine, readLines } from '../../manifest/index.js';
import { quotaLeft, type SandboxContext } from '../context.js';
import { createTask, known } from '../create-task.js';
import type { Job, JobSecrets, Jobs } from './job.js';
import { resultRow } from './result-row.js';
import type { Sealer } from './seal.js';
import { ownCredentialsProblem } from './validate.js';

type Part = Pick<SandboxContext, 'options' | 'store' | 'deliveries'>;

export function createJobs(world: Part, sealer: Sealer): Jobs {
  const closing = new AbortController();
  const underWay = new Set<Promise<void>>();

  async function run(job: Job): Promise<void> {
    let mask = (text: string) => text;
    const end = (status: 'completed' | 'failed', error: string | null) =>
      world.store.endJob(job, {
        status,
        error,
        ended: Date.now(),
        tasks: job.settles.length,
        rejected: job.rejected,
      });
    try {
      const secrets = openSecrets(sealer, job);
      mask = maskerOf(secretsOfCredentials(secrets.credentials ?? undefined));
      await ingest(world, job, secrets, closing.signal);
      end('completed', null);
    } catch (error) {
      if (!closing.signal.aborted) end('failed', mask((error as Error).message));
    }
  }

  return {
    start(job) {
      const running = run(job).finally(() => underWay.delete(running));
      underWay.add(running);
    },
    async close() {
      closing.abort(new Error('the local Gateway stops'));
      await Promise.all(underWay);
    },
  };
}

function openSecrets(sealer: Sealer, job: Job): JobSecrets {
  try {
    return JSON.parse(sealer.open(job.sealed, job.id)) as JobSecrets;
  } catch {
    throw new Error('its credentials cannot be read: ASG_ENCRYPTION_KEY is not the one it was created under');
  }
}

async function ingest(world: Part, job: Job, secrets: JobSecrets, signal: AbortSignal): Promise<void> {
  const { s3Endpoint, gcsEndpoint } = world.options;
  const { credentials } = secrets;
  // Once more: it may have been created while more was allowed.
  const delivery = job.bucket === null ? null : ({ type: 's3', bucket: job.bucket } as const);
  const problem = ownCredentialsProblem({ ...secrets, delivery }, world.options);
  if (problem !== null) throw new Error(problem);
  const publicOnly = !world.options.allowInternalAddresses;
  const stores = createObjectStores({
    s3Endpoint,
    gcsEndpoint,
    ...(credentials !== null && { credentials }),
  });
  try {
    job.started = true;
    const manifest = await openManifest(secrets.manifest_url, { objectStores: stores, signal, publicOnly });
    for await (const { line, source, parsed } of linesOf(manifest, {
      objectStores: stores,
      signal,
      publicOnly,
    })) {
      if (parsed.kind === 'item') take(world, job, parsed.item.data_url, keyOf(job, source, line));
      else job.rejected += 1;
    }
    const last = job.settles.reduce((latest, at) => Math.max(latest, at), 0);
    await wait(Math.max(0, last - Date.now()), [signal]);
    if (job.bucket === null) return;
    const target = await stores.of('s3');
    await target.write(
      { bucket: job.bucket, key: `${job.id}/results.jsonl` },
      rowsOf(world, job, manifest, { objectStores: stores, signal, publicOnly }),
    );
  } finally {
    await stores.close();
  }
}

type ReadOptions = Parameters<typeof readLines>[2];

/** Depends on the job and the place in it, so that a job that is read again buys nothing twice. */
const keyOf = (job: Job, source: number, line: number) => `${job.id}-${source}-${line}`;

function take(world: Part, job: Job, data_url: string, idempotency_key: string): void {
  const { type, question, options, threshold, callbackUrl } = job.spec;
  const wire = {
    type,
    data_url,
    label_spec: { question, options },
    consensus_threshold: threshold,
    callback_url: callbackUrl,
    idempotency_key,
  };
  const existing = known(job.customer, wire);
  if (existing === undefined && quotaLeft(world, job.customer) < 1) throw new Error('quota exhausted');
  job.settles.push((existing ?? createTask(world, job.customer, wire)).settles);
}

/** The lines that are not blank, in order. */
async function* linesOf(manifest: Manifest, options: ReadOptions) {
  for (const source of manifest.sources)
    for await (const lines of readLines(source, { line: 0, offset: 0 }, options))
      for (const raw of lines) {
        const parsed = parseLine(raw);
        if (parsed.kind !== 'blank') yield { line: raw.line, source: source.index, parsed };
      }
}

/** The manifest is read once more, so that its metadata need not be held until its tasks settle. */
async function* rowsOf(world: Part, job: Job, manifest: Manifest, options: ReadOptions) {
  for await (const { line, source, parsed } of linesOf(manifest, options)) {
    const task = job.customer.tasksByKey.get(keyOf(job, source, line));
    const row =
      parsed.kind === 'item' && task !== undefined
        ? resultRow(world, task, parsed.item.metadata)
        : { error: parsed.kind === 'rejected' ? parsed.problem : null };
    yield Buffer.from(`${JSON.stringify({ line, ...row })}\n`);
  }
}
