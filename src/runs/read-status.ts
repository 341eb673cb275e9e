import type { ChainableCommander } from 'ioredis';
import type { RedisClient } from '../redis/connection.js';
import { readGroups, redisNow } from '../redis/read-groups.js';
import { callCounts } from './call-counts.js';
import { type LiveConsumers, liveConsumersIn } from './consumer-heartbeats.js';
import { type Envelope, envelopeOf } from './envelope.js';
import { escalationStatus } from './escalation.js';
import { goldStatus } from './gold.js';
import { type RunKeys, runKeys } from './keys.js';
import { iso, type OwnWait, ownWait } from './own-limits.js';
import { headFrom, type RunHead, type RunPolicy } from './record.js';
import { sinceSummary } from './since.js';
import { boughtLines, type EnvelopeStatus, type PartRecord, type RunStatus } from './status.js';
import { changeOf } from './tune.js';

/** A run's record, and all that is counted of it, in one round trip. */
export interface RunReading {
  record: RunHead;
  status: RunStatus;
  /** Bytes and rows of results that are in no part yet, and the age of the oldest in ms. */
  unflushed: { bytes: number; rows: number; oldestMs: number };
  planned: boolean;
  /** `summary.json` is written. */
  summedUp: boolean;
  /** Jobs of the queues, in all states that will still be worked on. Each carries some lines. */
  jobs: {
    submit: number;
    /** The jobs to submit that a process has in hand. */
    submitting: number;
    poll: number;
  };
  /** Tasks that are to be polled now, about: jobs that do not sleep, with as many tasks as jobs have on average. */
  tasksDue: number;
  /** Tasks that count against `--budget`: bought, or reserved by a call that is out. */
  bought: number;
  envelope: Envelope;
  /** The user's own limits that keep it from buying now. */
  ownWait: OwnWait | null;
  /** Whether BullMQ's pause is on. */
  queuesPaused: { submit: boolean; poll: boolean };
  read: { lines: number; skipped: number; bytes: number };
  present: LiveConsumers;
  /** Redis' time when this was read, epoch ms. */
  nowMs: number;
}

const LISTS = ['wait', 'active', 'paused'] as const;
const SETS = ['delayed', 'prioritized'] as const;

/**
 * Reads a run in one round trip; null when there is no such run.
 *
 * @param withParts also the list of parts, which grows with the run; without it the list is empty
 */
export async function readRun(
  redis: RedisClient,
  prefix: string,
  runId: string,
  { withParts = false } = {},
): Promise<RunReading | null> {
  const keys = runKeys(prefix, runId);
  const ask = (pipeline: ChainableCommander) => queueRunReads(pipeline, keys, withParts);
  const [[answers = []], nowMs] = await Promise.all([readGroups(redis, [ask]), redisNow(redis)]);
  return parseRunReads(answers, nowMs);
}

/** Adds the commands whose answers `parseRunReads` takes. */
export function queueRunReads(pipeline: ChainableCommander, keys: RunKeys, withParts = false): void {
  for (const key of [keys.record, keys.counts, keys.failures, keys.labels, keys.calls, keys.cursor])
    pipeline.hgetall(key);
  pipeline.xrange(keys.results, '-', '+', 'COUNT', 1);
  pipeline.exists(keys.plan);
  for (const queue of ['submit', 'poll'] as const) {
    pipeline.hexists(`${keys.queuePrefix}:${queue}:meta`, 'paused');
    for (const list of LISTS) pipeline.llen(`${keys.queuePrefix}:${queue}:${list}`);
    for (const set of SETS) pipeline.zcard(`${keys.queuePrefix}:${queue}:${set}`);
  }
  pipeline.hgetall(keys.consumers);
  pipeline.lrange(keys.changes, 0, -1);
  if (withParts) pipeline.lrange(keys.parts, 0, -1);
}

/** Null when there is no such run. `nowMs` is Redis' time. */
export function parseRunReads(answers: unknown[], nowMs: number): RunReading | null {
  const [fields, counts, failures, labels, calls, cursor] = answers as Record<string, string>[];
  const record = headFrom(fields ?? {});
  if (record === null) return null;
  const oldest = (answers[6] as [string, string[]][])[0]?.[0];
  const perQueue = 1 + LISTS.length + SETS.length;
  const queue = (index: number) => {
    const [paused, ...lengths] = answers.slice(8 + index * perQueue, 8 + (index + 1) * perQueue) as number[];
    const sum = (some: number[]) => some.reduce((total, n) => total + n, 0);
    return {
      paused: paused === 1,
      jobs: sum(lengths),
      due: sum(lengths.slice(0, LISTS.length)),
      active: lengths[LISTS.indexOf('active')] ?? 0,
    };
  };
  const [submit, poll] = [queue(0), queue(1)];
  const listed = (answers[10 + 2 * perQueue] ?? []) as string[];
  const changed = (answers[9 + 2 * perQueue] ?? []) as string[];
  const parts = listed.map((part) => JSON.parse(part) as PartRecord);

  const count = (name: string) => Number(counts?.[name] ?? 0);
  const [settled, failed, inFlight] = [count('settled'), count('failed'), Math.max(0, count('in_flight'))];
  const called = callCounts(calls ?? {});
  const [unchanged, carried] = [count('unchanged'), Math.min(settled, count('carried'))];
  const ended = settled + failed + unchanged;
  const bought = boughtLines({ settled, carried });
  const cancelled = record.state === 'cancelled';
  const lines = cancelled ? ended + inFlight : count('lines');
  const queued = Math.max(0, count('lines') - ended - inFlight);
  const produced = cursor?.produced === '1';
  const envelope = envelopeOf(counts ?? {}, failures ?? {}, record.policy, nowMs);
  const toBuy = record.state === 'running' && (queued > 0 || !produced);
  const waits = toBuy ? ownWait(record.policy, envelope, nowMs) : null;
  const status: RunStatus = {
    run_id: record.id,
    manifest: {
      uri: record.manifest.uri,
      version: record.manifest.version,
      digest: record.manifest.digest,
    },
    spec_digest: record.specDigest,
    state: record.state,
    lines,
    settled,
    failed,
    unchanged,
    carried,
    since: record.since === undefined ? null : sinceSummary(record.since),
    failures: numbers(failures),
    started_at: record.startedAt,
    ended_at: record.endedAt,
    gateway_calls: called.gateway_calls,
    rate_limited: called.rate_limited,
    backoff_seconds: called.backoff_seconds,
    stood_still_seconds: called.stood_still_seconds,
    polls_per_label: bought > 0 ? round(called.polls / bought, 3) : null,
    cost_sats: count('cost_sats'),
    labels: numbers(labels),
    gold: record.manifest.gold ? goldStatus(record.manifest.gold, counts ?? {}, cancelled) : null,
    escalated: record.task.escalate ? escalationStatus(record.task.escalate, counts ?? {}) : null,
    parts,
    forecast: null,
    changes: changed.map(changeOf),
    queued,
    in_flight: inFlight,
    rate: null,
    // A forecast gives the rest (`src/plan/forecast`).
    eta_seconds: record.state === 'completed' ? 0 : null,
    reason: record.reason,
    message: waits === null ? record.message : waits.why,
    waiting_for: waits?.for ?? null,
    waiting_until: waits === null ? null : iso(waits.until),
    envelope: envelopeStatus(record.policy, envelope),
    produced,
  };
  return {
    record,
    status,
    unflushed: {
      bytes: count('unflushed_bytes'),
      rows: count('unflushed_rows'),
      oldestMs: oldest === undefined ? 0 : nowMs - Number(oldest.split('-')[0]),
    },
    planned: answers[7] === 1,
    summedUp: fields?.summed_up === '1',
    jobs: { submit: submit.jobs, submitting: submit.active, poll: poll.jobs },
    tasksDue: poll.jobs === 0 ? 0 : Math.round((poll.due * inFlight) / poll.jobs),
    bought: count('bought'),
    envelope,
    ownWait: waits,
    queuesPaused: { submit: submit.paused, poll: poll.paused },
    read: { lines: count('lines'), skipped: count('skipped'), bytes: count('bytes') },
    nowMs,
    present: liveConsumersIn(answers[8 + 2 * perQueue] as Record<string, string>, nowMs),
  };
}

function envelopeStatus(
  { spend = null, spendPerDay = null }: RunPolicy,
  envelope: Envelope,
): EnvelopeStatus | null {
  if (spend === null && spendPerDay === null) return null;
  return {
    spend,
    spend_per_day: spendPerDay,
    spent: envelope.paid,
    spent_today: envelope.paidToday,
    reserved: envelope.reserved,
    label_sats: envelope.price,
  };
}

const numbers = (fields: Record<string, string> = {}) =>
  Object.fromEntries(
    Object.entries(fields)
      .map(([name, n]) => [name, Number(n)] as const)
      .sort((a, b) => b[1] - a[1]),
  );

const round = (value: number, digits: number) => Number(value.toFixed(digits));
