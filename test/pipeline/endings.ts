import type { RedisClient } from '../../src/redis/connection.js';
import type { RunKeys } from '../../src/runs/keys.js';
import { type Ending, endLines } from '../../src/runs/scripts.js';
import type { FailureExample } from '../../src/runs/timeline.js';

type Settled = Extract<Ending, { kind: 'settled' }>;
type Failed = Extract<Ending, { kind: 'failed' }>;

export const settledRow = (row: object, changes: Partial<Settled> = {}): Settled => ({
  kind: 'settled',
  label: 'cat',
  costSats: 1,
  settledBy: 'poll',
  ageMs: 1,
  row: JSON.stringify(row),
  history: [],
  ...changes,
});

export const failedRow = (row: object, code: string, changes: Partial<Failed> = {}): Failed => ({
  kind: 'failed',
  stage: 'submit',
  code,
  row: JSON.stringify(row),
  history: [],
  example: { line: 1, source: null, stage: 'submit', message: code } satisfies FailureExample,
  ...changes,
});

/** Ends one line of a run's first source; false when it had ended before. */
export async function endLine(redis: RedisClient, keys: RunKeys, line: number, ending: Ending) {
  const [ended = false] = await endLines(redis, keys, 0, [{ line, ending }]);
  return ended;
}
