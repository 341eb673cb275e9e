import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { IngestError } from '../errors.js';
import type { Manifest } from '../manifest/index.js';
import type { RedisClient } from '../redis/connection.js';
import { rebuildFromParts } from '../results/rebuild.js';
import type { Sink } from '../results/sink.js';
import { checkStream } from './cursor.js';
import { runKeys } from './keys.js';
import { takeLease } from './lease.js';
import {
  createRun,
  defaultRunId,
  knownManifest,
  loadRun,
  manifestIdentity,
  type RunPolicy,
  type RunRecord,
  rememberManifest,
  type TaskOptions,
  updatePolicy,
} from './record.js';
import type { RunSummary } from './status.js';

export interface RunRequest {
  manifest: Manifest;
  task: TaskOptions;
  policy: RunPolicy;
  gateway: string;
  keyFingerprint: string;
  /** `--run-id`; null for the one that follows from the manifest. */
  runId: string | null;
  out: (runId: string) => string;
  openSink: (out: string) => Sink;
  /** Ends the reading of standard input up to where the run had read it. */
  signal?: AbortSignal;
}

export type Prepared =
  | { kind: 'go'; record: RunRecord }
  /** Redis knows nothing of the run, and its summary is in `--out`: it had ended. */
  | { kind: 'ended'; summary: RunSummary; out: string };

/**
 * Puts the run on record or finds it there, refuses what may not go on under its name, proves the sink, and gives a
 * run that Redis has forgotten its memory back. Nothing has been sent when this resolves.
 */
export async function prepareRun(
  redis: RedisClient,
  prefix: string,
  request: RunRequest,
  log: Logger,
): Promise<Prepared> {
  const { manifest, task, gateway } = request;
  const isStream = manifest.uri === '-';
  const identity = manifestIdentity(manifest.uri, task, gateway);
  const id =
    request.runId ??
    (isStream
      ? `stdin-${randomBytes(4).toString('hex')}`
      : defaultRunId(manifest.uri, manifest.version, task, gateway));
  if (!isStream && request.runId === null) await refuseOtherVersion(redis, prefix, identity, request, id);

  const wanted: RunRecord = {
    id,
    manifest: {
      uri: manifest.uri,
      version: manifest.version,
      sources: manifest.sources.map((source) => source.name),
    },
    task,
    policy: request.policy,
    gateway,
    keyFingerprint: request.keyFingerprint,
    out: request.out(id),
    sinkId: randomBytes(8).toString('hex'),
    state: 'running',
    reason: null,
    message: null,
    startedAt: new Date().toISOString(),
    endedAt: null,
  };
  const known = await loadRun(redis, prefix, id);
  if (known !== null) {
    refuseOtherRun(known, wanted, isStream);
    if (isStream) await refuseOtherStream(redis, prefix, id, request);
  }
  const sink = request.openSink(known?.out ?? wanted.out);
  if (known === null) {
    const summary = await endedBefore(sink, id);
    if (summary !== null) return { kind: 'ended', summary, out: wanted.out };
  }
  // Claimed before anything is on record: a sink that cannot be written costs nothing.
  if (known === null || known.endedAt === null) await sink.claim(known ?? wanted);
  const { record } = await createRun(redis, prefix, wanted);
  if (record.sinkId !== wanted.sinkId && known === null) await sink.claim(record);
  await updatePolicy(redis, prefix, id, request.policy);
  await makeReady(redis, prefix, record, sink, log);
  if (!isStream) await rememberManifest(redis, prefix, identity, { run: id, version: manifest.version });
  return { kind: 'go', record: { ...record, policy: request.policy } };
}

/** The first of a run's processes rebuilds it from its parts, if there are any; the others wait for that. */
async function makeReady(
  redis: RedisClient,
  prefix: string,
  record: RunRecord,
  sink: Sink,
  log: Logger,
): Promise<void> {
  const keys = runKeys(prefix, record.id);
  while ((await redis.hget(keys.record, 'ready')) !== '1') {
    const lease = await takeLease(redis, keys);
    if (lease === null) {
      await sleep(200);
      continue;
    }
    try {
      // A rebuild that was cut off counted some rows: it starts over.
      const bits = record.manifest.sources.map((_name, index) => keys.ended(index));
      const { counts, failures, labels, parts, history, examples } = keys;
      await redis.del(counts, failures, labels, parts, history, examples, ...bits);
      await rebuildFromParts(redis, prefix, record, sink, log);
      await redis.hset(keys.record, 'ready', 1);
    } finally {
      await lease.release();
    }
  }
}

async function endedBefore(sink: Sink, runId: string): Promise<RunSummary | null> {
  const text = await sink.readSummary();
  if (text === null) return null;
  const summary = JSON.parse(text) as RunSummary;
  return summary.run_id === runId ? summary : null;
}

/** With `--key line`, a changed manifest would buy every line again: the user says whether that is meant. */
async function refuseOtherVersion(
  redis: RedisClient,
  prefix: string,
  identity: string,
  request: RunRequest,
  id: string,
) {
  const known = await knownManifest(redis, prefix, identity);
  if (known === null || known.run === id || request.task.key !== 'line') return;
  if ((await loadRun(redis, prefix, known.run)) === null) return;
  throw new IngestError(
    'manifest_changed',
    `${request.manifest.uri} has changed since run ${known.run} was made of it (version ${known.version}, now ${request.manifest.version}); nothing was sent`,
    { hint: '--run-id <new> buys every line again; --key content buys only what is new' },
  );
}

function refuseOtherRun(known: RunRecord, wanted: RunRecord, isStream: boolean): void {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const differs =
    (known.manifest.uri !== wanted.manifest.uri && 'another manifest') ||
    (!same(known.task, wanted.task) && 'other task options') ||
    (known.gateway !== wanted.gateway && 'another Gateway') ||
    (known.keyFingerprint !== wanted.keyFingerprint && 'another API key') ||
    (!isStream && known.manifest.version !== wanted.manifest.version && 'another version of its manifest');
  if (!differs) return;
  throw new IngestError(
    'manifest_changed',
    `run ${known.id} is on record with ${differs}; nothing was sent`,
    {
      hint: '--run-id <new> makes a run of its own; --key content buys only what is new',
    },
  );
}

/** A stream has no version, so its content is read again up to where the run had read it. */
async function refuseOtherStream(
  redis: RedisClient,
  prefix: string,
  id: string,
  { manifest, signal }: RunRequest,
): Promise<void> {
  try {
    for (const source of manifest.sources) await checkStream(redis, runKeys(prefix, id), source, { signal });
  } catch (error) {
    if (!(error instanceof IngestError) || error.code !== 'source_changed') throw error;
    throw new IngestError('manifest_changed', `run ${id}: ${error.message}; nothing was sent`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}
