import { type ContentSeen, checkContent, type Source } from '../manifest/index.js';
import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import { runScript } from './run-script.js';

const checkpointScript = runScript('checkpoint');

/** How far a run's manifest has been read, everything before it being in Redis. */
export interface Cursor {
  at: { source: number; line: number; offset: number };
  /** All of it has been read. */
  produced: boolean;
  /** Standard input only: the bytes read, including queued lines that are not counted yet; null when none were read. */
  content: ContentSeen | null;
}

export async function readCursor(redis: RedisClient, keys: RunKeys): Promise<Cursor> {
  const cursor = await redis.hgetall(keys.cursor);
  const [seen, digest] = cursor.content?.split(' ') ?? [];
  return {
    at: {
      source: Number(cursor.source ?? 0),
      line: Number(cursor.line ?? 0),
      offset: Number(cursor.offset ?? 0),
    },
    produced: cursor.produced === '1',
    content: digest === undefined ? null : { offset: Number(seen), digest },
  };
}

export interface Checkpoint {
  from: Cursor['at'];
  to: Cursor['at'];
  /** Non-blank lines, blank lines, and bytes between the two. */
  lines: number;
  blank: number;
  bytes: number;
  /** Everything has been read. */
  produced: boolean;
}

const placeOf = ({ source, line, offset }: Cursor['at']) => `${source}:${line}:${offset}`;

/** Moves the cursor, and resolves to the state of the run. `moved` is false when the lease of this token is lost. */
export async function checkpoint(redis: RedisClient, keys: RunKeys, token: string, step: Checkpoint) {
  const { from, to, lines, blank, bytes, produced } = step;
  const [moved, queued, unflushedBytes, state] = (await checkpointScript.run(
    redis,
    [keys.lease, keys.cursor, keys.counts, keys.record],
    [token, placeOf(from), placeOf(to), lines, blank, bytes, produced ? 1 : 0],
  )) as [number, number, number, string];
  return { moved: moved === 1, queued, unflushedBytes, state };
}

/** Written before the lines up to there are queued: no line is bought whose content is not on record. */
export const noteContent = (redis: RedisClient, keys: RunKeys, offset: number, digest: string) =>
  redis.hset(keys.cursor, 'content', `${offset} ${digest}`);

/** Sources that this process has found unchanged, so that each is read once. */
const checked = new WeakMap<Source, string>();

/**
 * Reads standard input as far as the run had read it; other sources are compared by their version.
 *
 * @throws IngestError `source_changed` when it is not what the run had read.
 */
export async function checkStream(
  redis: RedisClient,
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
