import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import type { ManifestHead } from './record.js';
import { runScript } from './run-script.js';
import type { Since } from './since.js';

const recountScript = runScript('recount');

/**
 * Counts a run again. `lines` is the manifest's number of lines; each counts as ended. Resolves to the number of rows,
 * and of unchanged lines without a row; null when the lease was lost.
 */
export async function recount(
  redis: RedisClient,
  keys: RunKeys,
  token: string,
  lines: number,
  since?: Since | undefined,
): Promise<number | null> {
  const manifest = JSON.parse((await redis.hget(keys.record, 'manifest')) ?? '{}') as Partial<ManifestHead>;
  const sources = manifest.count ?? 0;
  const each = (name: 'admitted' | 'unchanged') =>
    Array.from({ length: sources }, (_, source) => keys[name](source));
  const names = [keys.lease, keys.counts, keys.parts, keys.results, ...each('admitted')];
  const ofSince = since === undefined ? [] : [sources, since.carry ? 'carried' : 'unchanged'];
  if (since !== undefined) names.push(...each('unchanged'));
  const rows = Number(await recountScript.run(redis, names, [token, lines, ...ofSince]));
  return rows < 0 ? null : rows;
}
