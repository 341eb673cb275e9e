import type { RedisClient } from '../redis/connection.js';
import { EXAMPLES, type FailureExample } from './history.js';
import type { RunKeys } from './keys.js';
import * as lua from './lua.js';

const SCRIPTS = {
  asgSettle: { numberOfKeys: 8, lua: lua.SETTLE },
  asgAdmit: { numberOfKeys: 4, lua: lua.ADMIT },
  asgReserve: { numberOfKeys: 2, lua: lua.RESERVE },
  asgUnadmit: { numberOfKeys: 2, lua: lua.UNADMIT },
  asgCheckpoint: { numberOfKeys: 5, lua: lua.CHECKPOINT },
  asgRenew: { numberOfKeys: 1, lua: lua.RENEW },
  asgRelease: { numberOfKeys: 1, lua: lua.RELEASE },
  asgCreate: { numberOfKeys: 1, lua: lua.CREATE },
  asgTransition: { numberOfKeys: 1, lua: lua.TRANSITION },
  asgUnfail: { numberOfKeys: 6, lua: lua.UNFAIL },
  asgAttend: { numberOfKeys: 1, lua: lua.ATTEND },
  asgAllTold: { numberOfKeys: 1, lua: lua.ALL_TOLD },
  asgIndexTask: { numberOfKeys: 1, lua: lua.INDEX_TASK },
  asgForgetTask: { numberOfKeys: 2, lua: lua.FORGET_TASK },
  asgHintTask: { numberOfKeys: 2, lua: lua.HINT_TASK },
  asgCommitPlan: { numberOfKeys: 4, lua: lua.COMMIT_PLAN },
  asgLearn: { numberOfKeys: 1, lua: lua.LEARN },
} as const;

type ScriptArgs = (string | number)[];
export type RunScripts = Record<keyof typeof SCRIPTS, (...args: ScriptArgs) => Promise<unknown>>;

/** Loads the run scripts into a client (EVALSHA, with EVAL when the server does not know them). */
export function defineRunScripts(redis: RedisClient): RedisClient & RunScripts {
  for (const [name, script] of Object.entries(SCRIPTS)) redis.defineCommand(name, script);
  return redis as RedisClient & RunScripts;
}

export type RunRedis = ReturnType<typeof defineRunScripts>;

/** A line's place: its source's index and its number in that source, from 1. */
export interface LineRef {
  source: number;
  line: number;
}

export type Admission =
  | 'fresh'
  | 'again'
  | 'ended'
  | 'full'
  | 'budget'
  | 'paused'
  | 'blocked'
  | 'cancelled'
  | 'completed'
  | 'gone';

export function admit(redis: RunRedis, keys: RunKeys, at: LineRef): Promise<Admission> {
  return redis.asgAdmit(
    keys.record,
    keys.ended(at.source),
    keys.admitted(at.source),
    keys.counts,
    at.line - 1,
  ) as Promise<Admission>;
}

export async function unadmit(redis: RunRedis, keys: RunKeys, at: LineRef): Promise<void> {
  await redis.asgUnadmit(keys.admitted(at.source), keys.counts, at.line - 1);
}

/** Takes one more of `--budget`, as on record now, for a task that is to be bought anew; false when none is left. */
export const reserve = async (redis: RunRedis, keys: RunKeys): Promise<boolean> =>
  (await redis.asgReserve(keys.record, keys.counts)) === 1;

/** Gives back what was reserved for a task that has not been bought. */
export const giveBack = (redis: RunRedis, keys: RunKeys) => redis.hincrby(keys.counts, 'bought', -1);

/** The last few thousand results weigh, so that a change of the Gateway's pace is followed. */
const RESULTS_KEPT = 2_000;

/** Adds to the sightings of a run's settle times, `settled` results among them; resolves to all of them. */
export async function learn(
  redis: RunRedis,
  keys: RunKeys,
  sightings: ReadonlyMap<string, number>,
  settled: number,
): Promise<Map<string, number>> {
  const added = [...sightings].flat();
  const all = (await redis.asgLearn(keys.settleTimes, RESULTS_KEPT, settled, ...added)) as string[];
  const seen = new Map<string, number>();
  for (let i = 0; i < all.length; i += 2)
    if (all[i] !== 'sum') seen.set(all[i] as string, Number(all[i + 1]));
  return seen;
}

/** How a line ends. `record` is the row that the parts will hold, `history` the counters of its history that grow. */
export type Ending = { record: object; history?: readonly string[] } & (
  | { kind: 'settled'; label: string; costSats: number }
  | { kind: 'failed'; code: string; example?: FailureExample }
);

/** Ends a line, once; false when it had ended before. */
export async function settleLine(
  redis: RunRedis,
  keys: RunKeys,
  at: LineRef,
  ending: Ending,
): Promise<boolean> {
  const ended = await redis.asgSettle(
    keys.ended(at.source),
    keys.counts,
    keys.results,
    keys.failures,
    keys.labels,
    keys.admitted(at.source),
    keys.history,
    keys.examples,
    at.line - 1,
    ending.kind,
    JSON.stringify(ending.record),
    ending.kind === 'settled' ? ending.label : ending.code,
    ending.kind === 'settled' ? Math.round(ending.costSats) : 0,
    ...(ending.kind === 'failed' && ending.example ? [JSON.stringify(ending.example), EXAMPLES] : ['', 0]),
    ...(ending.history ?? []),
  );
  return ended === 1;
}
