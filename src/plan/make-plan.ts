import type { Budget } from '../budget/index.js';
import type { Settings } from '../config/index.js';
import type { ASGGatewayClient } from '../gateway/client.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import { whole } from '../lib/range.js';
import { type Manifest, openManifest, removeSpools, spoolDirOf } from '../manifest/index.js';
import { checkFirstLines } from '../producers/first-lines.js';
import { readGoldOf } from '../producers/read-gold.js';
import type { RedisClient } from '../redis/connection.js';
import { runPolicy, taskOptions } from '../runs/from-settings.js';
import type { Gold } from '../runs/gold.js';
import { runKeys } from '../runs/keys.js';
import { readRun } from '../runs/read-status.js';
import { askAccount } from './account.js';
import { countLines } from './count-lines.js';
import { endedBefore, goldLeft } from './ended-before.js';
import { outlookOf } from './figures.js';
import { rememberPlan } from './forecast/known.js';
import { NO_HISTORY, readHistory } from './history.js';
import type { Plan } from './plan.js';
import { knownRun, otherVersion, runIdOf } from './planned-run.js';
import { readAll } from './read-all.js';
import { type EarlierSettled, readEarlierSettled } from './read-earlier.js';
import { readSample } from './read-sample.js';
import { createTally, type Tally } from './tally.js';

export interface PlanParts {
  objectStores: ObjectStores;
  /** Null when there is no Redis yet, so no run is recorded. */
  redis: RedisClient | null;
  origin: string;
  /** Null when no API key is set, so nothing is known of its runs and account. */
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
 * @throws IngestError `manifest` when it cannot be read, `usage` when neither the run nor its lines ask anything, or for a
 *   bad gold line.
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
    const since = await readEarlierSettled(parts, settings, watch);
    const gold = await readGoldOf(settings, manifest, { ...watch, objectStores });
    return await planOf(parts, settings, manifest, watch, { since, gold });
  } finally {
    await removeSpools(manifest.sources);
  }
}

async function planOf(
  parts: PlanParts,
  settings: Settings,
  manifest: Manifest,
  watch: PlanWatch,
  { since, gold }: { since: EarlierSettled | null; gold: Gold | null },
): Promise<Plan> {
  const { redis, origin, gateway, objectStores } = parts;
  const task = taskOptions(settings, gold);
  const isStream = manifest.uri === '-';
  const known = isStream ? null : await knownRun(parts, settings, manifest, task, since?.asked);
  const runId = settings.runId ?? (isStream ? null : runIdOf(known, task, manifest, origin, since?.asked));
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
  const ended = await endedBefore(parts, settings, manifest, runId, watch.cwd);
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
  const begun = redis === null || runId === null ? null : await readRun(redis, settings.prefix, runId);
  const counted = await countLines({
    result: tally.result(),
    sample,
    ended,
    inFlight: begun?.status.in_flight ?? 0,
    gold: await goldLeft(ended, gold, manifest.sources.length),
    byContent: task.key === 'content',
  });
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
  const bought = counted.tasks.expected + (figures.fields.second_tasks?.tasks?.expected ?? 0);
  if (quotaLeft !== null && quotaLeft < bought)
    remarks.push(
      `the label quota covers ${quotaLeft} of ${Math.round(bought)} tasks: the run would block (quota) and go on once there is more`,
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
    gold_lines: gold?.lines.length ?? null,
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

const duplicatesOf = ({ valid, contents }: Tally) => Math.max(0, valid - contents.distinct);
