import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import type { ManifestHead } from './record.js';
import { runScript } from './run-script.js';

const recountScript = runScript('recount');

/**
 * Sets a run's counts right: `lines` is what the manifest has, and each of them passes for ended. Resolves to how many rows
 * there are; null when the lease was lost.
 */
export async function recount(
  redis: RedisClient,
  keys: RunKeys,
  token: string,
  lines: number,
): Promise<number | null> {
  const manifest = JSON.parse((await redis.hget(keys.record, 'manifest')) ?? '{}') as Partial<ManifestHead>;
  const sources = manifest.count ?? 0;
  const admitted = Array.from({ length: sources }, (_, source) => keys.admitted(source));
  const names = [keys.lease, keys.counts, keys.parts, keys.results, ...admitted];
  const rows = Number(await recountScript.run(redis, names, [token, lines]));
  return rows < 0 ? null : rows;
}
