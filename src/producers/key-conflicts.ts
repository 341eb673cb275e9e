import type { QueuedLine } from '../queues/chunk.js';
import type { RedisClient } from '../redis/connection.js';
import type { Rejection } from '../results/endings.js';
import { contentDigest } from '../runs/idempotency-key.js';
import type { RunKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { type KeyedLine, type KeyOwner, ownersOfKeys } from '../runs/shared-keys.js';
import type { PreparedLine } from './prepare-line.js';

/**
 * Lines with the same key share one task. That is right when they ask the same. A line that asks something else would
 * get another line's label, so it is rejected, unless the run says that the key alone counts (`--on-same-key share`).
 */
export async function withoutConflicts(
  redis: RedisClient,
  keys: RunKeys,
  record: RunRecord,
  source: number,
  prepared: readonly PreparedLine[],
): Promise<{ queued: QueuedLine[]; rejections: Rejection[] }> {
  const keyed = prepared.flatMap(({ line, asks }): KeyedLine[] =>
    line.key === undefined ? [] : [{ line: line.line, key: line.key, asks: contentDigest(asks) }],
  );
  const owners = await ownersOfKeys(redis, keys, source, keyed);
  const known = new Map(keyed.map((line, index) => [line.line, { asks: line.asks, owner: owners[index] }]));
  const queued: QueuedLine[] = [];
  const rejections: Rejection[] = [];
  for (const { line } of prepared) {
    const { asks, owner = null } = known.get(line.line) ?? {};
    if (owner === null || owner.asks === asks || record.task.onSameKey === 'share') queued.push(line);
    else rejections.push(conflict(record, source, line, owner));
  }
  return { queued, rejections };
}

function conflict(record: RunRecord, source: number, line: QueuedLine, owner: KeyOwner): Rejection {
  const other = owner.source === source ? '' : ` of ${record.manifest.sources[owner.source]}`;
  return {
    line: line.line,
    problem: {
      code: 'key_conflict',
      message: `line ${line.line} has the key of line ${owner.line}${other}, ${JSON.stringify(line.key)}, and asks something else: its label would be that line's; --on-same-key share takes it all the same`,
    },
    input: line.text,
    idempotency_key: line.key,
  };
}
