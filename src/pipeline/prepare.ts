import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { IngestError, usageError } from '../lib/errors.js';
import type { Manifest } from '../manifest/index.js';
import type { AskedSince } from '../producers/since/find-earlier.js';
import type { RedisClient } from '../redis/connection.js';
import { rebuildFromParts } from '../results/rebuild.js';
import type { Marker, ResultsIdentity, Sink } from '../results/sink.js';
import { GOLD_SOURCE, type Gold } from '../runs/gold.js';
import { defaultRunId, manifestDigestOf, manifestIdentity, specDigestOf } from '../runs/identity.js';
import { bitKeys, runKeys } from '../runs/keys.js';
import { acquireLease } from '../runs/lease.js';
import { type Chosen, pilotId } from '../runs/pilot-lines.js';
import {
  createRun,
  type KnownManifest,
  loadRun,
  type RunPolicy,
  type RunRecord,
  rememberManifest,
  runOf,
  type TaskOptions,
  updateKey,
} from '../runs/record.js';
import { hasBoughtNothing, refuseOtherPlace, refuseOtherRun, refuseOtherStream } from '../runs/refuse.js';
import { runScript } from '../runs/run-script.js';
import { sinceOf } from '../runs/since.js';
import type { RunSummary } from '../runs/status.js';
import { askPolicy } from '../runs/tune.js';

const [forgetProgress, setReady] = [runScript('forget-progress'), runScript('make-ready')];

/** A run that somebody asks for. */
export interface RunRequest {
  manifest: Manifest;
  /** What all lines share. */
  task: TaskOptions;
  /** Limits and times of the run. */
  policy: RunPolicy;
  /** The Gateway's origin, or `sandbox`. */
  gateway: string;
  /** Identifies the API key without showing it. */
  keyFingerprint: string;
  /** `--run-id`; null for the one that follows from the manifest. */
  runId: string | null;
  out: (runId: string) => string;
  openSink: (out: string) => Sink;
  /** Lines with known labels, to be mixed in. A pilot has all of them, under the keys of the full run. */
  gold?: Gold | null;
  /** A run of only this many lines. */
  pilot?: { lines: number; choose: () => Promise<Chosen> };
  /** An earlier run to build on. */
  since?: AskedSince;
  /** Ends the reading of standard input up to where the run had read it. */
  signal?: AbortSignal;
}

/** What `prepareRun` found. */
export type Prepared =
  /** The run is recorded and may be produced and consumed. */
  | { kind: 'go'; record: RunRecord }
  /** Redis knows nothing of the run, and its summary is in `--out`: it had ended. */
  | { kind: 'ended'; summary: RunSummary; out: string };

/**
 * Records the run or finds its record. Refuses a command that does not fit the record. Claims the sink, and rebuilds a
 * run that Redis has lost. Nothing has been sent when this resolves.
 *
 * @throws IngestError `usage` or `sink` when the run may not go on as asked
 */
export async function prepareRun(
  redis: RedisClient,
  prefix: string,
  request: RunRequest,
  log: Logger,
): Promise<Prepared> {
  const { manifest, task, gateway } = request;
  const isStream = manifest.uri === '-';
  const identity = manifestIdentity(manifest.identity, task, gateway, sinceOf(request.since));
  const onRecord = isStream ? null : await runOf(redis, prefix, identity);
  const whole = request.runId ?? idOf(request, onRecord, isStream);
  const { pilot } = request;
  const id = pilot === undefined ? whole : pilotId(whole, pilot.lines);
  const known = await loadRun(redis, prefix, id);
  const newRecord = recordOf(id, request, isStream);
  if (pilot !== undefined) {
    newRecord.pilot = { of: whole, lines: pilot.lines };
    newRecord.manifest.chosen = known?.manifest.chosen ?? (await pilot.choose());
  }
  if (request.since !== undefined) {
    const { run, carry } = request.since;
    if (run === id) throw usageError('--since', `${run} is this run itself; nothing was sent`);
    newRecord.since = { run, carry, earlier: known?.since?.earlier ?? [] };
  }
  if (known !== null) {
    const rekeyed = known.keyFingerprint !== newRecord.keyFingerprint;
    const mayRekey = rekeyed && (await hasBoughtNothing(redis, runKeys(prefix, id)));
    refuseOtherRun(
      mayRekey ? { ...known, keyFingerprint: newRecord.keyFingerprint } : known,
      newRecord,
      isStream,
    );
    if (isStream) await refuseOtherStream(redis, prefix, id, manifest, request.signal);
    if (mayRekey) await updateKey(redis, prefix, id, newRecord.keyFingerprint);
  }
  const sink = request.openSink(known?.out ?? newRecord.out);
  const marker = await readMarker(sink);
  refuseOtherPlace(marker, newRecord, known?.out ?? newRecord.out);
  if (known === null) {
    const summary = await endedBefore(sink, id);
    if (summary !== null) return { kind: 'ended', summary, out: newRecord.out };
    if (newRecord.since !== undefined) newRecord.since.earlier = (await request.since?.find()) ?? [];
  }
  // The sink is claimed before the run is recorded. A sink that cannot be written costs nothing then.
  if (mayClaim(known, marker)) await sink.claim(known ?? newRecord, madeOf(newRecord, manifest));
  const { record } = await createRun(redis, prefix, newRecord, request.gold);
  // The forecast of `plan` is kept as long as the run.
  await redis.persist(runKeys(prefix, id).planned);
  if (record.sinkId !== newRecord.sinkId && known === null)
    await sink.claim(record, madeOf(record, manifest));
  // `runs --prune` may delete an ended run at any step.
  const policy = await askPolicy(redis, prefix, id, request.policy);
  if (policy === null || !(await makeReady(redis, prefix, record, sink, log)))
    return prepareRun(redis, prefix, request, log);
  if (!isStream && pilot === undefined)
    await rememberManifest(redis, prefix, identity, { run: id, version: manifest.version });
  return { kind: 'go', record: { ...record, keyFingerprint: newRecord.keyFingerprint, policy } };
}

/**
 * The same command continues the same run, also when the run was started with `--run-id`. With `--key line`, a changed
 * manifest would buy every line again, so the user has to decide.
 */
function idOf(
  { manifest, task, gateway, since }: RunRequest,
  known: KnownManifest | null,
  isStream: boolean,
): string {
  if (isStream) return `stdin-${randomBytes(4).toString('hex')}`;
  const id = defaultRunId(manifest.identity, manifest.version, task, gateway, sinceOf(since));
  if (known === null || known.run === id || task.key !== 'line') return id;
  if (known.version === manifest.version) return known.run;
  if (since !== undefined) return id;
  throw new IngestError(
    'manifest_changed',
    `${manifest.uri} has changed since run ${known.run} was made of it (version ${known.version}, now ${manifest.version}); nothing was sent`,
    {
      hint: `--since ${known.run} or --key content buys only what is new; --run-id <new> buys every line again`,
    },
  );
}

function recordOf(id: string, request: RunRequest, isStream: boolean): RunRecord {
  const { manifest, task, gateway, since, gold = null } = request;
  const sources = [
    ...manifest.sources,
    ...(gold === null ? [] : [{ name: GOLD_SOURCE, version: gold.digest }]),
  ];
  return {
    id,
    manifest: {
      uri: manifest.uri,
      identity: manifest.identity,
      version: manifest.version,
      sources: sources.map(({ name }) => name),
      digest: manifestDigestOf(sources, isStream),
      count: sources.length,
      ...(gold !== null && { gold: { source: manifest.sources.length, lines: gold.lines.length } }),
      bytes: unpackedBytes(manifest),
    },
    task,
    policy: request.policy,
    gateway,
    keyFingerprint: request.keyFingerprint,
    out: request.out(id),
    sinkId: randomBytes(8).toString('hex'),
    sinkHost: hostname(),
    specDigest: specDigestOf(task),
    scope: defaultRunId(manifest.identity, isStream ? '' : manifest.version, task, gateway, sinceOf(since)),
    state: 'running',
    reason: null,
    message: null,
    startedAt: new Date().toISOString(),
    endedAt: null,
  };
}

/** A source that was only listed, not opened, counts as compressed if its name says so. */
const unpackedBytes = ({ sources, bytes }: Manifest): number | null =>
  sources.every(
    ({ compression, spool, listed, name }) =>
      compression === null && spool === undefined && !(listed && /\.(gz|zst)$/i.test(name)),
  )
    ? bytes
    : null;

/** Not reported here: the claim reports a sink that cannot be read. */
const readMarker = async (sink: Sink): Promise<Marker | null> =>
  (await sink.readMarker?.().catch(() => null)) ?? null;

const SHOWN_SOURCES = 1_000;

function madeOf(record: RunRecord, { sources }: Manifest): ResultsIdentity {
  const shown = sources.slice(0, SHOWN_SOURCES);
  return {
    manifest: {
      uris: shown.map(({ name }) => name),
      versions: shown.map(({ version }) => version),
      digest: record.manifest.digest,
    },
    spec_digest: record.specDigest,
    gateway: record.gateway,
    ...(record.since && { since: { run: record.since.run, carry: record.since.carry } }),
  };
}

/**
 * A run claims its sink once. The same path on another host is another directory: the parts would be split over two. On
 * the host that claimed it, a removed directory is made again.
 */
function mayClaim(known: RunRecord | null, marker: Marker | null): boolean {
  if (known === null) return true;
  if (known.endedAt !== null || marker?.sink_id === known.sinkId) return false;
  return marker === null && (known.sinkHost === hostname() || /^[a-z0-9]+:\/\//i.test(known.out));
}

/**
 * The first process rebuilds the run from its parts, if there are any. The others wait for that. Resolves to false when
 * the run's record is gone.
 */
async function makeReady(
  redis: RedisClient,
  prefix: string,
  record: RunRecord,
  sink: Sink,
  log: Logger,
): Promise<boolean> {
  const keys = runKeys(prefix, record.id);
  for (;;) {
    const [id, ready] = await redis.hmget(keys.record, 'id', 'ready');
    if (id === null || ready === '1') return id !== null;
    const lease = await acquireLease(redis, keys);
    if (lease === null) {
      await sleep(200);
      continue;
    }
    try {
      // Deleting the run removes the lease too. After that nothing more is written, so no key is left over.
      if ((await redis.exists(keys.record)) === 0) continue;
      const bits = record.manifest.sources.flatMap((_name, index) => bitKeys(keys, index));
      const { counts, failures, labels, parts, history, examples } = keys;
      const progress = [counts, failures, labels, parts, history, examples, ...bits];
      for (let from = 0; from < progress.length; from += 1_000)
        await forgetProgress.run(redis, [keys.lease, ...progress.slice(from, from + 1_000)], [lease.token]);
      const lines = await rebuildFromParts(redis, prefix, record, sink, log, lease);
      if (lines === null) continue;
      await setReady.run(redis, [keys.lease, keys.record, keys.counts], [lease.token, lines > 0 ? 1 : 0]);
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
