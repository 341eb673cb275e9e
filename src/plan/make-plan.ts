import path from 'node:path';
import type { Budget } from '../budget/index.js';
import type { Settings } from '../config/index.js';
import type { ASGGatewayClient } from '../gateway/client.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import { exactly, type Range, whole } from '../lib/range.js';
import { type Manifest, openManifest, removeSpools, spoolDirOf } from '../manifest/index.js';
import { checkFirstLines } from '../producers/first-lines.js';
import type { RedisClient } from '../redis/connection.js';
import { openSink, resolveOut } from '../results/sink.js';
import { runPolicy, taskOptions } from '../runs/from-settings.js';
import { runKeys } from '../runs/keys.js';
import { readRun } from '../runs/read-status.js';
import { loadRun } from '../runs/record.js';
import { askAccount } from './account.js';
import { type EndedLines, endedInParts, endedInRedis, NONE_ENDED } from './ended-lines.js';
import { outlookOf } from './figures.js';
import { rememberPlan } from './forecast/known.js';
import { NO_HISTORY, readHistory } from './outlook.js';
import type { Plan } from './plan.js';
import { knownRun, otherVersion, runIdOf } from './planned-run.js';
import { readAll } from './read-all.js';
import { type EarlierSettled, readEarlierOf } from './read-earlier.js';
import { readSample, type SampleEstimate } from './read-sample.js';
import { createTally, type Tally } from './tally.js';

export interface PlanParts {
  objectStores: ObjectStores;
  /** Null: there is none yet, so that nothing is on record. */
  redis: RedisClient | null;
  origin: string;
  /** Null: no key is set, so that nothing is known of its runs and of its account. */
  gateway: { keyFingerprint: string; client: ASGGatewayClient; budget: Budget } | null;
}

export interface PlanWatch {
  cwd: string;
  signal: AbortSignal;
  /** Lines read so far and unpacked bytes; `total` as in `Manifest.bytes`, null where it is packed or unknown. */
  onRead?: (lines: number, bytes: number, total: number | null) => void;
}

/**
 * Reads the manifest as a run of these settings would, and forecasts that run. Sends no task.
 *
 * @throws IngestError `manifest` when it cannot be read, `usage` when neither the run nor its lines ask anything.
 */
export async function makePlan(
  parts: PlanParts,
  settings: Settings,
  spec: string,
  watch: PlanWatch,
): Promise<Plan> {
  const { objectStores } = parts;
  const spoolDir = spoolDirOf(settings.dataDir);
  const manifest = await openManifest(spec, { cwd: watch.cwd, spoolDir, objectStores, signal: watch.signal });
  try {
    await checkFirstLines(manifest, taskOptions(settings), { objectStores, signal: watch.signal });
    const since = await readEarlierOf(parts, settings, watch);
    return await planOf(parts, settings, manifest, watch, since);
  } finally {
    await removeSpools(manifest.sources);
  }
}

async function planOf(
  parts: PlanParts,
  settings: Settings,
  manifest: Manifest,
  watch: PlanWatch,
  since: EarlierSettled | null,
): Promise<Plan> {
  const { redis, origin, gateway, objectStores } = parts;
  const task = taskOptions(settings);
  const isStream = manifest.uri === '-';
  const known = isStream ? null : await knownRun(parts, settings, manifest, since?.asked);
  const runId =
    settings.runId ?? (isStream ? null : runIdOf(known, settings, manifest, origin, since?.asked));
  // The Gateway is asked while the manifest is read.
  const asked =
    gateway === null ? Promise.resolve(null) : askAccount(gateway.client, gateway.budget, watch.signal);
  asked.catch(() => undefined);
  const history =
    redis === null || gateway === null
      ? NO_HISTORY
      : await readHistory(redis, settings.prefix, {
          gateway: origin,
          keyFingerprint: gateway.keyFingerprint,
          task,
          runId: runId ?? '',
        });
  const ended = await endedLines(parts, settings, manifest, runId, watch.cwd);
  const tally = createTally({ task, sources: manifest.sources.length, isKnown: since?.isKnown });
  const plain = manifest.sources.every(({ compression }) => compression === null);
  const total = plain ? manifest.bytes : null;
  const reading = {
    objectStores,
    signal: watch.signal,
    onRead: (lines: number, bytes: number) => watch.onRead?.(lines, bytes, total),
  };
  const sample =
    settings.sample === null ? null : await readSample(manifest, settings.sample, tally, reading);
  if (sample === null) await readAll(manifest, tally, ended, reading);
  const counted = await countLines(
    tally.result(),
    sample,
    ended,
    redis,
    settings,
    runId,
    task.key === 'content',
  );
  const account = await asked;
  const figures = await outlookOf(counted, settings, runPolicy(settings), history, account?.price ?? null);
  const remarks = [
    ...otherVersion(known, settings, manifest),
    ...(account?.trouble ? [`the Gateway could not be asked: ${account.trouble}`] : []),
    ...(settings.sample !== null && sample === null
      ? ['the manifest is too small to sample: all of it was read']
      : []),
    ...figures.remarks,
  ];
  if (redis !== null && runId !== null && counted.ended === 0) {
    const { cost_sats, calls, seconds } = figures.fields;
    const planned = { by: 'plan', at: new Date().toISOString(), cost_sats, calls, seconds } as const;
    await rememberPlan(redis, runKeys(settings.prefix, runId), planned);
  }
  const { result } = counted;
  const quotaLeft = account?.quotaLeft ?? null;
  if (quotaLeft !== null && quotaLeft < counted.tasks.expected)
    remarks.push(
      `the label quota covers ${quotaLeft} of ${Math.round(counted.tasks.expected)} tasks: the run would block (quota) and go on once there is more`,
    );
  return {
    manifest: {
      uri: manifest.uri,
      version: manifest.version,
      sources: manifest.sources.length,
      bytes: manifest.bytes,
    },
    run_id: runId,
    lines: Math.round(counted.lines.expected),
    valid: Math.round(counted.valid.expected),
    rejected: counted.rejectedByCode,
    examples: result.examples,
    duplicates: sample === null ? duplicatesOf(result) : null,
    already_ended: counted.ended,
    unchanged: since === null ? null : Math.round(counted.unchanged),
    bytes: sample === null ? result.bytes : Math.round(sample.bytes.expected),
    longest_line_bytes: result.longest,
    tasks: Math.round(counted.tasks.expected),
    ...figures.fields,
    quota_left: quotaLeft,
    sample:
      sample === null || settings.sample === null
        ? null
        : {
            share: settings.sample,
            blocks: sample.blocks,
            bytes: sample.checked,
            lines: whole(counted.lines),
            valid: whole(counted.valid),
            rejected: whole(counted.rejected),
            tasks: whole(counted.tasks),
          },
    remarks,
  };
}

export interface Counted {
  result: Tally;
  lines: Range;
  valid: Range;
  rejected: Range;
  rejectedByCode: Record<string, number>;
  validBytes: Range;
  ended: number;
  /** Lines that need no task, since an earlier run has settled them. */
  unchanged: number;
  tasks: Range;
  /** Tasks that `--key content` would not buy; null where that is the key, or is not known. */
  contentKeySaves: number | null;
}

async function countLines(
  result: Tally,
  sample: SampleEstimate | null,
  ended: EndedLines,
  redis: RedisClient | null,
  settings: Settings,
  runId: string | null,
  byContent: boolean,
): Promise<Counted> {
  const reading = redis === null || runId === null ? null : await readRun(redis, settings.prefix, runId);
  const inFlight = reading?.status.in_flight ?? 0;
  if (sample === null) {
    const { valid, keys } = result;
    const distinct = valid - keys.sharing + Math.min(keys.sharing, keys.distinct);
    const bought = (n: number) => Math.max(0, n - result.ended.valid - result.unchanged - inFlight);
    const tasks = {
      expected: bought(distinct),
      low: bought(distinct - keys.error),
      high: bought(distinct + keys.error),
    };
    return {
      result,
      lines: exactly(result.lines),
      valid: exactly(valid),
      rejected: exactly(result.lines - valid),
      rejectedByCode: result.rejected,
      validBytes: exactly(result.validBytes),
      ended: result.ended.lines,
      unchanged: result.unchanged,
      tasks,
      contentKeySaves: byContent ? null : Math.max(0, Math.min(distinct, valid) - result.contents.distinct),
    };
  }
  const total = await ended.total();
  const { lines, valid } = sample;
  const scale = result.lines > 0 ? lines.expected / result.lines : 0;
  const rejected: Range = {
    expected: Math.max(0, lines.expected - valid.expected),
    ...rejectedBounds(result, scale),
  };
  const share = result.valid > 0 ? result.unchanged / result.valid : 0;
  const left = (n: number) => Math.max(0, n * (1 - share) - total - inFlight);
  return {
    result,
    lines,
    valid,
    rejected,
    rejectedByCode: Object.fromEntries(
      Object.entries(result.rejected).map(([code, n]) => [code, Math.round(n * scale)]),
    ),
    validBytes: sample.validBytes,
    ended: total,
    unchanged: valid.expected * share,
    tasks: { expected: left(valid.expected), low: left(valid.low), high: left(valid.high) },
    contentKeySaves: null,
  };
}

/** As counts that come by chance do: two standard errors; none seen may still be three. */
function rejectedBounds({ lines, valid }: Tally, scale: number): { low: number; high: number } {
  const seen = lines - valid;
  const error = 2 * Math.sqrt(seen);
  return {
    low: Math.max(seen, (seen - error) * scale),
    high: (seen === 0 ? 3 : seen + error) * scale,
  };
}

const duplicatesOf = ({ valid, contents }: Tally) => Math.max(0, valid - contents.distinct);

async function endedLines(
  { redis, objectStores }: PlanParts,
  settings: Settings,
  manifest: Manifest,
  runId: string | null,
  cwd: string,
): Promise<EndedLines> {
  if (runId === null) return NONE_ENDED;
  const record = redis === null ? null : await loadRun(redis, settings.prefix, runId);
  if (redis !== null && record !== null)
    return record.manifest.version === manifest.version || manifest.uri === '-'
      ? endedInRedis(redis, runKeys(settings.prefix, runId), manifest.sources.length)
      : NONE_ENDED;
  const out = resolveOut(settings.out ?? path.join('out', runId), cwd);
  return endedInParts(
    openSink(out, objectStores),
    runId,
    manifest.sources.map(({ name }) => name),
  );
}
