import type { LabelSpec } from '../gateway/types.js';
import type { RedisClient } from '../redis/connection.js';
import { type Gold, type GoldRecord, keepGold } from './gold.js';
import { manifestsKey, runKeys, runsIndexKey } from './keys.js';
import type { Chosen } from './pilot-lines.js';
import { runScript } from './run-script.js';
import type { SinceRecord } from './since.js';
import type { BlockReason, RunState } from './status.js';

const updateScript = runScript('update');
const createScript = runScript('create');

/** The options that every line of a run shares; part of the run's identity. */
export interface TaskOptions {
  taskType: string;
  labelSpec: LabelSpec | null;
  consensusThreshold: number | null;
  /** `line`, `content`, or a field's path such as `metadata.sku`. */
  key: string;
  /** Whether lines of one key that ask different things share a task; else all but the first fail. */
  onSameKey?: 'share';
  /** `--map`, each `to=from`; absent when there is none. */
  map?: readonly string[];
  /** `--escalate`, as `formatCondition` writes it; absent when there is none. */
  escalate?: string;
  /** Digest of the gold lines; absent when there are none. */
  gold?: string;
}

/** Limits and times of a run, from its latest `run` or `produce` command. Durations in ms, sizes in bytes. */
export interface RunPolicy {
  maxQueued: number;
  maxInFlight: number;
  poll: 'auto' | 'fixed';
  pollDelayMs: number;
  pollMaxDelayMs: number;
  resultTimeoutMs: number;
  until: 'verified' | 'settled';
  /** Most failures before the run blocks: a count, or a share of the lines that ended. */
  maxFailures: { count: number } | { share: number } | null;
  /** Most gold lines with another label before the run blocks: a count, or a share of those that settled. */
  maxGoldErrors?: { count: number } | { share: number } | null;
  /** Most tasks to buy. */
  budget: number | null;
  /** Most sats to spend, on the run and on each day (UTC). Absent in runs of earlier versions, as are the next two. */
  spend?: number | null;
  spendPerDay?: number | null;
  /** Sats that a label is expected to cost, before the run has seen a price. */
  priceSats?: number | null;
  /** Lines may be asked again: `--spend` keeps room for that. */
  escalates?: true;
  /** When tasks are submitted, as `formatHours` writes it, with its zone. */
  hours?: string | null;
  retryForMs: number;
  partSizeBytes: number;
  partAgeMs: number;
  compress: boolean;
  weight: number;
  /** When the run is to have ended, ISO 8601. */
  finishBy?: string | null;
}

export interface ManifestHead {
  uri: string;
  /** Its identity where the URI does not show all of it. */
  identity?: string;
  version: string;
  /** Digest of all sources' names and versions; of a stream, whose version is new each time, of its name. */
  digest: string;
  /** How many sources, that of the gold lines included. */
  count: number;
  gold?: GoldRecord;
  /** Unpacked; null where that is not known before all of it is read. Absent in records of earlier versions. */
  bytes?: number | null;
}

export interface ManifestRecord extends ManifestHead {
  /** Source names, in the order of their numbers. */
  sources: string[];
  /** For a pilot: the lines that it takes. */
  chosen?: Chosen;
}

/** A run of some lines of a manifest, under the keys that they have in the run of all of them. */
export interface PilotRecord {
  /** That run's id. */
  of: string;
  lines: number;
}

/** A run's record without parts that may be long: it is read several times a second. */
export interface RunHead {
  id: string;
  manifest: ManifestHead;
  task: TaskOptions;
  policy: RunPolicy;
  /** The Gateway's origin, `sandbox` for the local one. */
  gateway: string;
  keyFingerprint: string;
  out: string;
  /** Distinguishes this run's sink from one of the same path on another host. */
  sinkId: string;
  /** The host that claimed the sink. */
  sinkHost: string;
  /** Digest of what is asked of every line. */
  specDigest: string;
  /** The run's identity as a digest; part of its lines' idempotency keys, see `lineKey`. */
  scope: string;
  state: RunState;
  reason: BlockReason | null;
  message: string | null;
  startedAt: string;
  endedAt: string | null;
  pilot?: PilotRecord;
  since?: SinceRecord;
}

export interface RunRecord extends RunHead {
  manifest: ManifestRecord;
}

const headOf = ({ sources: _apart, chosen: _too, ...head }: ManifestRecord): ManifestHead => head;

const fieldsOf = (record: RunRecord): Record<string, string> => ({
  id: record.id,
  manifest: JSON.stringify(headOf(record.manifest)),
  task: JSON.stringify(record.task),
  policy: JSON.stringify(record.policy),
  gateway: record.gateway,
  key_fingerprint: record.keyFingerprint,
  out: record.out,
  sink_id: record.sinkId,
  sink_host: record.sinkHost,
  spec_digest: record.specDigest,
  scope: record.scope,
  state: record.state,
  reason: record.reason ?? '',
  message: record.message ?? '',
  started_at: record.startedAt,
  ...(record.pilot === undefined ? {} : { pilot: JSON.stringify(record.pilot) }),
  ...(record.since === undefined ? {} : { since: JSON.stringify(record.since) }),
});

export function headFrom(fields: Record<string, string>): RunHead | null {
  const { id, manifest, task, policy, gateway, out, state } = fields;
  if (!id || !manifest || !task || !policy || !gateway || !out || !state) return null;
  return {
    id,
    manifest: JSON.parse(manifest) as ManifestHead,
    task: JSON.parse(task) as TaskOptions,
    policy: JSON.parse(policy) as RunPolicy,
    gateway,
    keyFingerprint: fields.key_fingerprint ?? '',
    out,
    sinkId: fields.sink_id ?? '',
    sinkHost: fields.sink_host ?? '',
    specDigest: fields.spec_digest ?? '',
    scope: fields.scope ?? '',
    state: state as RunState,
    reason: (fields.reason || null) as BlockReason | null,
    message: fields.message || null,
    startedAt: fields.started_at ?? '',
    endedAt: fields.ended_at ?? null,
    ...(fields.pilot === undefined ? {} : { pilot: JSON.parse(fields.pilot) as PilotRecord }),
    ...(fields.since === undefined ? {} : { since: JSON.parse(fields.since) as SinceRecord }),
  };
}

export async function loadRun(redis: RedisClient, prefix: string, id: string): Promise<RunRecord | null> {
  const keys = runKeys(prefix, id);
  const [fields, sources, lines] = await Promise.all([
    redis.hgetall(keys.record),
    redis.get(keys.sources),
    redis.get(keys.chosen),
  ]);
  const head = headFrom(fields);
  if (head === null) return null;
  return {
    ...head,
    manifest: {
      ...head.manifest,
      sources: JSON.parse(sources ?? '[]') as string[],
      ...(lines === null ? {} : { chosen: JSON.parse(lines) as Chosen }),
    },
  };
}

/** All runs on record, the oldest first. */
export async function listRuns(redis: RedisClient, prefix: string): Promise<RunHead[]> {
  const ids = await redis.zrange(runsIndexKey(prefix), '0', '-1');
  const heads = await Promise.all(
    ids.map(async (id) => headFrom(await redis.hgetall(runKeys(prefix, id).record))),
  );
  return heads.filter((head) => head !== null);
}

/** Puts a new run on record; if another process was first, that process' record counts. */
export async function createRun(
  redis: RedisClient,
  prefix: string,
  record: RunRecord,
  gold: Gold | null = null,
): Promise<{ record: RunRecord; created: boolean }> {
  const keys = runKeys(prefix, record.id);
  // Written before the record, so whoever reads the record finds the lines too. The same run has the same lines.
  if (record.manifest.chosen !== undefined)
    await redis.set(keys.chosen, JSON.stringify(record.manifest.chosen));
  if (gold !== null) await keepGold(redis, keys, gold.lines);
  const created =
    (await createScript.run(
      redis,
      [keys.record, keys.sources],
      [JSON.stringify(record.manifest.sources), ...Object.entries(fieldsOf(record)).flat()],
    )) === 1;
  // The index is another shard's key: written after the record, and again by every start, so a crash heals.
  await redis.zadd(runsIndexKey(prefix), 'NX', String(Date.parse(record.startedAt)), record.id);
  return { record: created ? record : ((await loadRun(redis, prefix, record.id)) ?? record), created };
}

/** Changes fields of a record; false when it is gone. */
async function update(redis: RedisClient, prefix: string, id: string, fields: Record<string, string>) {
  return (await updateScript.run(redis, [runKeys(prefix, id).record], Object.entries(fields).flat())) === 1;
}

/** `summary.json` is written. */
export const noteSummedUp = (redis: RedisClient, prefix: string, id: string) =>
  update(redis, prefix, id, { summed_up: '1' });

/** Gives the run to another API key. */
export const updateKey = (redis: RedisClient, prefix: string, id: string, fingerprint: string) =>
  update(redis, prefix, id, { key_fingerprint: fingerprint });

export interface KnownManifest {
  run: string;
  version: string;
}

export async function knownManifest(
  redis: RedisClient,
  prefix: string,
  identity: string,
): Promise<KnownManifest | null> {
  const known = await redis.hget(manifestsKey(prefix), identity);
  return known === null ? null : (JSON.parse(known) as KnownManifest);
}

export async function rememberManifest(
  redis: RedisClient,
  prefix: string,
  identity: string,
  known: KnownManifest,
) {
  await redis.hset(manifestsKey(prefix), identity, JSON.stringify(known));
}

/** The run that was made of a manifest with these options, if it is still on record. */
export async function runOf(
  redis: RedisClient,
  prefix: string,
  identity: string,
): Promise<KnownManifest | null> {
  const known = await knownManifest(redis, prefix, identity);
  return known !== null && (await loadRun(redis, prefix, known.run)) !== null ? known : null;
}
