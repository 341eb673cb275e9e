import type { RedisClient } from '../redis/connection.js';
import { runKeys } from './keys.js';
import { listRuns, type RunHead } from './record.js';

/** The owner of the runs: one key at one Gateway. */
export interface RunOwner {
  redis: RedisClient;
  prefix: string;
  /** The Gateway's origin, `sandbox` for the local one. */
  origin: string;
  keyFingerprint: string;
}

/** The owner's runs that have begun and have no summary yet. */
export async function unfinishedRuns({
  redis,
  prefix,
  origin,
  keyFingerprint,
}: RunOwner): Promise<RunHead[]> {
  const ours = (await listRuns(redis, prefix)).filter(
    (record) => record.gateway === origin && record.keyFingerprint === keyFingerprint,
  );
  const flags = await Promise.all(
    ours.map(({ id }) => redis.hmget(runKeys(prefix, id).record, 'ready', 'summed_up')),
  );
  return ours.filter((_record, index) => flags[index]?.[0] === '1' && flags[index]?.[1] !== '1');
}
