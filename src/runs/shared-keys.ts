import { createHash } from 'node:crypto';
import type { RedisClient } from '../redis/connection.js';
import { KEY_BUCKETS, type RunKeys } from './keys.js';
import { runScript } from './run-script.js';

const [claimScript, boughtScript] = [runScript('claim-keys'), runScript('note-bought')];
/** Follows a key's owner; see `note-bought.lua`. */
const BOUGHT = '+';

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
  const places = lines.map(({ key }) => placeOfKey(keys, key));
  const owners = (await claimScript.run(
    redis,
    places.map(({ bucket }) => bucket),
    lines.flatMap(({ line, asks }, index) => [places[index]?.field ?? '', `${source}:${line}:${asks}`]),
  )) as string[];
  return owners.map((owner) => {
    const [place, line, asks] = owner.split(':');
    return asks === undefined ? null : { source: Number(place), line: Number(line), asks };
  });
}

/** The place of a run's facts about a key. */
export function placeOfKey(keys: RunKeys, key: string): { bucket: string; field: string } {
  const digest = createHash('sha256').update(key).digest();
  return {
    bucket: keys.sharedKeys(digest.readUInt16BE(0) % KEY_BUCKETS),
    field: digest.toString('base64url', 2, 10),
  };
}

/** A line of this run has, or may have, bought the key's task: its cost is this run's. */
export async function noteBoughtHere(redis: RedisClient, keys: RunKeys, key: string): Promise<void> {
  const { bucket, field } = placeOfKey(keys, key);
  await boughtScript.run(redis, [bucket], [field]);
}

/**
 * Whether a line of this run has bought the key's task, or may have: a contested line is in the hands of two processes, and
 * the other one's purchase may not be noted yet.
 */
export async function mayBeBoughtHere(
  redis: RedisClient,
  keys: RunKeys,
  { source, line, key }: { source: number; line: number; key: string },
): Promise<boolean> {
  const { bucket, field } = placeOfKey(keys, key);
  const [noted, contested] = await Promise.all([
    redis.hget(bucket, field),
    redis.getbit(keys.contested(source), line - 1),
  ]);
  return contested === 1 || (noted?.includes(BOUGHT) ?? false);
}
