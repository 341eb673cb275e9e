import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { RedisClient } from '../redis/connection.js';
import { type RunKeys, runKeys } from './keys.js';
import type { RunPolicy } from './record.js';
import { runScript } from './run-script.js';
import type { Change } from './status.js';

const setPolicyScript = runScript('set-policy');

/** The fields of a policy that may change during the run. */
export const TUNABLE = [
  'spend',
  'spendPerDay',
  'budget',
  'maxInFlight',
  'maxQueued',
  'maxFailures',
  'maxGoldErrors',
  'finishBy',
] as const satisfies readonly (keyof RunPolicy)[];
type Tunable = (typeof TUNABLE)[number];
export type TunedPolicy = Partial<Pick<RunPolicy, Tunable>>;

/** For each field that `tune` has set: the command's value before, and the value set. */
type Tuned = Partial<Record<Tunable, { asked: unknown; to: unknown }>>;

/** The change that a call makes to the current policy. */
interface Next {
  policy: RunPolicy;
  tuned: Tuned;
  changes: Change[];
}

/** Resolves to the policy in force then; null when the run is gone. */
async function setPolicy(
  redis: RedisClient,
  keys: RunKeys,
  next: (policy: RunPolicy, tuned: Tuned) => Next,
): Promise<Next | null> {
  for (;;) {
    const [current, tuned] = await redis.hmget(keys.record, 'policy', 'tuned');
    if (!current) return null;
    const made = next(JSON.parse(current) as RunPolicy, JSON.parse(tuned ?? '{}') as Tuned);
    const args = [current, JSON.stringify(made.policy), JSON.stringify(made.tuned), randomUUID()];
    const changes = made.changes.map((change) => JSON.stringify(change));
    const done = await setPolicyScript.run(redis, [keys.record, keys.changes], [...args, ...changes]);
    if (done === 1) return made;
    if (done === -1) return null;
  }
}

/**
 * Records the policy of a command. Values that `tune` has set meanwhile stay, if the command asks for the same values
 * as before. So a command that is started again after a crash undoes no `tune`. Resolves to the policy in force; null
 * when the run is gone.
 */
export async function askPolicy(
  redis: RedisClient,
  prefix: string,
  id: string,
  asked: RunPolicy,
): Promise<RunPolicy | null> {
  const made = await setPolicy(redis, runKeys(prefix, id), (_current, tuned) => {
    const kept = Object.entries(tuned).filter(([field, { asked: before }]) =>
      isDeepStrictEqual(before, asked[field as Tunable] ?? null),
    );
    const set = Object.fromEntries(kept.map(([field, { to }]) => [field, to]));
    return { policy: { ...asked, ...set }, tuned: Object.fromEntries(kept), changes: [] };
  });
  return made?.policy ?? null;
}

/**
 * Changes a live run's policy, and records the changes. Every process applies it at its next check, within 2 s.
 * Resolves to the changes; null when the run is gone.
 *
 * @param others changes of other things to note with it
 */
export async function tunePolicy(
  redis: RedisClient,
  prefix: string,
  id: string,
  to: TunedPolicy,
  {
    show,
    others = [],
    now = new Date(),
  }: {
    show(field: Tunable, value: unknown): Omit<Change, 'at' | 'from'>;
    others?: Change[];
    now?: Date;
  },
): Promise<Change[] | null> {
  const made = await setPolicy(redis, runKeys(prefix, id), (policy, tuned) => {
    const next: Next = { policy: { ...policy }, tuned: { ...tuned }, changes: [...others] };
    for (const [name, value] of Object.entries(to)) {
      const field = name as Tunable;
      const before = policy[field] ?? null;
      if (isDeepStrictEqual(before, value)) continue;
      next.tuned[field] = { asked: tuned[field] === undefined ? before : tuned[field].asked, to: value };
      Object.assign(next.policy, { [field]: value });
      next.changes.push({ ...show(field, value), from: show(field, before).to, at: now.toISOString() });
    }
    return next;
  });
  return made?.changes ?? null;
}

export const changeOf = (text: string): Change => JSON.parse(text) as Change;
