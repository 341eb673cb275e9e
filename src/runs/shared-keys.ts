import { createHash } from 'node:crypto';
import type { RedisClient } from '../redis/connection.js';
import { KEY_BUCKETS, type RunKeys } from './keys.js';
import { runScript } from './run-script.js';

const claimScript = runScript('claim-keys');

/** A line whose key other lines may have as well. */
export interface KeyedLine {
  line: number;
  key: string;
  /** Digest of all that decides its label. */
  asks: string;
}

/** The line that a key belongs to. */
export interface KeyOwner {
  source: number;
  line: number;
  asks: string;
}

/**
 * Finds for each line the one that came with its key before; null where it is the first. Costs about 30 B of Redis for
 * each key, in hashes small enough to be kept compact.
 */
export async function ownersOfKeys(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  lines: readonly KeyedLine[],
): Promise<(KeyOwner | null)[]> {
  if (lines.length === 0) return [];
  const digests = lines.map(({ key }) => createHash('sha256').update(key).digest());
  const owners = (await claimScript.run(
    redis,
    digests.map((digest) => keys.sharedKeys(digest.readUInt16BE(0) % KEY_BUCKETS)),
    lines.flatMap(({ line, asks }, index) => [
      digests[index]?.toString('base64url', 2, 10) ?? '',
      `${source}:${line}:${asks}`,
    ]),
  )) as string[];
  return owners.map((owner) => {
    const [place, line, asks] = owner.split(':');
    return asks === undefined ? null : { source: Number(place), line: Number(line), asks };
  });
}
