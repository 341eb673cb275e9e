import type { RedisClient } from '../redis/connection.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import type { PartRecord } from '../runs/status.js';
import type { Sink } from './sink.js';

/** The run's parts that are durable, in the order in which they became so. */
export async function partsOnRecord(
  redis: RedisClient,
  prefix: string,
  runId: string,
): Promise<PartRecord[]> {
  const parts = await redis.lrange(runKeys(prefix, runId).parts, 0, -1);
  return parts.map((part) => JSON.parse(part) as PartRecord);
}

export const feedRow = ({ name, rows, bytes, sha256 }: PartRecord): string =>
  JSON.stringify({ name, rows, bytes, sha256 });

/**
 * Writes `_parts.jsonl` again, whole: the list in Redis counts, so the next writer corrects a crash or an older list.
 */
export async function writePartsFeed(
  { redis, prefix, sink }: { redis: RedisClient; prefix: string; sink: Sink },
  { id }: Pick<RunRecord, 'id'>,
): Promise<void> {
  if (sink.writeFeed === undefined) return;
  const parts = await partsOnRecord(redis, prefix, id);
  await sink.writeFeed(parts.map((part) => `${feedRow(part)}\n`).join(''));
}
