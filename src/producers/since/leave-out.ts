import { IngestError } from '../../lib/errors.js';
import type { QueuedLine } from '../../queues/chunk.js';
import type { RedisClient } from '../../redis/connection.js';
import { carriedEnding } from '../../results/endings.js';
import { askedDigest } from '../../runs/asked-of-line.js';
import { type RunKeys, runKeys } from '../../runs/keys.js';
import type { RunRecord } from '../../runs/record.js';
import { runScript } from '../../runs/run-script.js';
import { endLines } from '../../runs/scripts.js';
import type { PreparedLine } from '../prepare-line.js';
import type { Earlier } from './earlier.js';
import { contentOf } from './known-rows.js';

const markScript = runScript('mark-unchanged');

/** A script holds Redis up for as long as it writes rows. */
const LINES_AT_ONCE = 100;

/**
 * Ends the lines whose content an earlier run has settled: no task is sent for them. Resolves to the others. The
 * lines settled at the start of the run do not change, so a line that is read again gets the same decision.
 */
export async function leaveOutUnchanged(
  { redis, prefix, earlier }: { redis: RedisClient; prefix: string; earlier?: Earlier | undefined },
  record: RunRecord,
  source: number,
  open: readonly QueuedLine[],
  prepared: readonly PreparedLine[],
): Promise<readonly QueuedLine[]> {
  // Gold lines show how good this run's labels are: they are always asked.
  if (record.since === undefined || open.length === 0 || record.manifest.gold?.source === source) return open;
  const known = await earlier?.load();
  if (known == null)
    throw new IngestError('internal', `what run ${record.since.run} has settled is not known`);
  const contents = new Map(
    prepared.map(({ line, asks }) => [line.line, contentOf(askedDigest(asks), asks.data_url)]),
  );
  const changed: QueuedLine[] = [];
  const unchanged: { line: QueuedLine; content: Buffer }[] = [];
  for (const line of open) {
    const content = contents.get(line.line);
    if (content !== undefined && known.has(content)) unchanged.push({ line, content });
    else changed.push(line);
  }
  const keys = runKeys(prefix, record.id);
  const { carry } = record.since;
  await markUnchanged(
    redis,
    keys,
    source,
    carry,
    unchanged.map(({ line }) => line.line),
  );
  if (!carry) return changed;
  for (let from = 0; from < unchanged.length; from += LINES_AT_ONCE) {
    const some = unchanged.slice(from, from + LINES_AT_ONCE).map(async ({ line, content }) => ({
      line: line.line,
      ending: carriedEnding(record, source, line, await known.rowOf(content)),
    }));
    await endLines(redis, keys, source, await Promise.all(some));
  }
  return changed;
}

async function markUnchanged(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  carry: boolean,
  lines: readonly number[],
): Promise<void> {
  if (lines.length === 0) return;
  const names = [keys.ended(source), keys.unchanged(source), keys.counts];
  await markScript.run(redis, names, [carry ? 'carried' : 'unchanged', ...lines.map((line) => line - 1)]);
}
