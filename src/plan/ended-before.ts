import path from 'node:path';
import type { Settings } from '../config/index.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import type { Manifest } from '../manifest/index.js';
import type { RedisClient } from '../redis/connection.js';
import { openSink, resolveOut } from '../results/sink.js';
import { GOLD_SOURCE, type Gold } from '../runs/gold.js';
import { runKeys } from '../runs/keys.js';
import { loadRun } from '../runs/record.js';
import { type EndedLines, endedInParts, endedInRedis, NONE_ENDED } from './ended-lines.js';

/** The lines that the planned run has ended: from Redis, else from the parts in `--out`. */
export async function endedBefore(
  { redis, objectStores }: { redis: RedisClient | null; objectStores: ObjectStores },
  settings: Settings,
  manifest: Manifest,
  runId: string | null,
  cwd: string,
): Promise<EndedLines> {
  if (runId === null) return NONE_ENDED;
  const record = redis === null ? null : await loadRun(redis, settings.prefix, runId);
  const own = manifest.sources.length;
  if (redis !== null && record !== null)
    return record.manifest.version === manifest.version || manifest.uri === '-'
      ? endedInRedis(redis, runKeys(settings.prefix, runId), own)
      : NONE_ENDED;
  const out = resolveOut(settings.out ?? path.join('out', runId), cwd);
  const sources = [...manifest.sources.map(({ name }) => name), GOLD_SOURCE];
  return endedInParts(openSink(out, objectStores), runId, sources, own);
}

/** How many of the gold lines the run has not ended. They are numbered as a source behind the manifest's. */
export async function goldLeft(ended: EndedLines, gold: Gold | null, source: number): Promise<number> {
  if (gold === null) return 0;
  await ended.reach(source, 1, gold.lines.at(-1)?.[0] ?? 1);
  return gold.lines.filter(([line]) => !ended.has(line)).length;
}
