import { type ContentSeen, checkContent, type Source } from '../manifest/index.js';
import type { RunKeys } from './keys.js';
import type { RunRedis } from './scripts.js';

/** How far a run's manifest has been read, everything before it being in Redis. */
export interface Cursor {
  source: number;
  line: number;
  offset: number;
  /** All of it has been read. */
  produced: boolean;
  /** Of a stream, what was read of it, lines that are queued but not counted yet included; null when nothing was. */
  content: ContentSeen | null;
}

export async function readCursor(redis: RunRedis, keys: RunKeys): Promise<Cursor> {
  const cursor = await redis.hgetall(keys.cursor);
  const [seen, digest] = cursor.content?.split(' ') ?? [];
  return {
    source: Number(cursor.source ?? 0),
    line: Number(cursor.line ?? 0),
    offset: Number(cursor.offset ?? 0),
    produced: cursor.produced === '1',
    content: digest === undefined ? null : { offset: Number(seen), digest },
  };
}

/** Written before the lines up to there are queued: no line is bought whose content is not on record. */
export const noteContent = (redis: RunRedis, keys: RunKeys, offset: number, digest: string) =>
  redis.hset(keys.cursor, 'content', `${offset} ${digest}`);

/** What this process has found to be the same, so that it is read once. */
const checked = new WeakMap<Source, string>();

/**
 * Reads standard input as far as the run had read it; other sources are told by their version.
 *
 * @throws IngestError `source_changed` when it is not what the run had read.
 */
export async function checkStream(
  redis: RunRedis,
  keys: RunKeys,
  source: Source,
  options: { signal?: AbortSignal | undefined },
): Promise<void> {
  if (source.spool === undefined) return;
  const { content, produced } = await readCursor(redis, keys);
  const seen = JSON.stringify([content, produced]);
  if (content === null || checked.get(source) === seen) return;
  await checkContent(source, { ...content, whole: produced }, options);
  checked.set(source, seen);
}
