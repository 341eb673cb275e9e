import { createHash } from 'node:crypto';
import type { LabelSpec } from '../gateway/types.js';
import type { RedisClient } from '../redis/connection.js';
import { defineScript } from '../redis/scripts.js';
import { manifestsKey, runKeys, runsIndexKey } from './keys.js';
import type { BlockReason, RunState } from './status.js';

const createScript = defineScript(new URL('./scripts/create.lua', import.meta.url));

/** What every line of a run shares; part of the run's identity. */
export interface TaskOptions {
  taskType: string;
  labelSpec: LabelSpec | null;
  consensusThreshold: number | null;
  /** `line`, `content`, or a field's path such as `metadata.sku`. */
  key: string;
}

/** How a run is to go; the latest `run` or `produce` of it decides. Durations in ms, sizes in bytes. */
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
  /** Most tasks to buy. */
  budget: number | null;
  retryForMs: number;
  partSizeBytes: number;
  partAgeMs: number;
  compress: boolean;
  weight: number;
}

export interface ManifestRecord {
  uri: string;
  version: string;
  /** Source names, in the order of their numbers. */
  sources: string[];
}

export interface RunRecord {
  id: string;
  manifest: ManifestRecord;
  task: TaskOptions;
  policy: RunPolicy;
  /** The Gateway's origin, `sandbox` for the local one. */
  gateway: string;
  keyFingerprint: string;
  out: string;
  /** Tells this run's sink apart from one of the same path on another host. */
  sinkId: string;
  state: RunState;
  reason: BlockReason | null;
  message: string | null;
  startedAt: string;
  endedAt: string | null;
}

const fieldsOf = (record: RunRecord): Record<string, string> => ({
  id: record.id,
  manifest: JSON.stringify(record.manifest),
  task: JSON.stringify(record.task),
  policy: JSON.stringify(record.policy),
  gateway: record.gateway,
  key_fingerprint: record.keyFingerprint,
  out: record.out,
  sink_id: record.sinkId,
  state: record.state,
  reason: record.reason ?? '',
  message: record.message ?? '',
  started_at: record.startedAt,
});

export function recordFrom(fields: Record<string, string>): RunRecord | null {
  const { id, manifest, task, policy, gateway, out, state } = fields;
  if (!id || !manifest || !task || !policy || !gateway || !out || !state) return null;
  return {
    id,
    manifest: JSON.parse(manifest) as ManifestRecord,
    task: JSON.parse(task) as TaskOptions,
    policy: JSON.parse(policy) as RunPolicy,
    gateway,
    keyFingerprint: fields.key_fingerprint ?? '',
    out,
    sinkId: fields.sink_id ?? '',
    state: state as RunState,
    reason: (fields.reason || null) as BlockReason | null,
    message: fields.message || null,
    startedAt: fields.started_at ?? '',
    endedAt: fields.ended_at ?? null,
  };
}

export async function loadRun(redis: RedisClient, prefix: string, id: string): Promise<RunRecord | null> {
  return recordFrom(await redis.hgetall(runKeys(prefix, id).record));
}

/** All runs on record, the oldest first. */
export async function listRuns(redis: RedisClient, prefix: string): Promise<RunRecord[]> {
  const ids = await redis.zrange(runsIndexKey(prefix), '0', '-1');
  const records = await Promise.all(ids.map((id) => loadRun(redis, prefix, id)));
  return records.filter((record) => record !== null);
}

/** Puts a new run on record; when another process was first, that one's record stands. */
export async function createRun(
  redis: RedisClient,
  prefix: string,
  record: RunRecord,
): Promise<{ record: RunRecord; created: boolean }> {
  const keys = runKeys(prefix, record.id);
  const created =
    (await createScript.run(redis, [keys.record], Object.entries(fieldsOf(record)).flat())) === 1;
  // The index is another shard's key: written after the record, and again by every start, so a crash heals.
  await redis.zadd(runsIndexKey(prefix), 'NX', String(Date.parse(record.startedAt)), record.id);
  return { record: created ? record : ((await loadRun(redis, prefix, record.id)) ?? record), created };
}

export async function updatePolicy(
  redis: RedisClient,
  prefix: string,
  id: string,
  policy: RunPolicy,
): Promise<void> {
  await redis.hset(runKeys(prefix, id).record, 'policy', JSON.stringify(policy));
}

const digest = (value: unknown, length: number) =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, length);

/** The manifest's identity without its version: the same manifest and options, whatever has been written to it since. */
export function manifestIdentity(uri: string, task: TaskOptions, origin: string): string {
  return digest([uri, task.taskType, task.labelSpec, task.consensusThreshold, task.key, origin], 32);
}

export function defaultRunId(uri: string, version: string, task: TaskOptions, origin: string): string {
  return digest([manifestIdentity(uri, task, origin), version], 12);
}

/** Tells keys apart without holding them (invariant 6). */
export function keyFingerprint(apiKey: string): string {
  return createHash('sha256').update(apiKey).digest('hex').slice(0, 12);
}

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
