import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { RedisClient } from '../redis/connection.js';
import { type RunKeys, runKeys } from './keys.js';
import type { RunPolicy } from './record.js';
import { runScript } from './run-script.js';
import type { Change } from './status.js';

const setPolicyScript = runScript('set-policy');

/** What of a policy may be changed while the run goes on. */
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

/** Of each field that `tune` has set: what the command had asked for, and what was set. */
type Tuned = Partial<Record<Tunable, { asked: unknown; to: unknown }>>;

/** What a call makes of the policy that stands. */
interface Next {
  policy: RunPolicy;
  tuned: Tuned;
  changes: Change[];
}

/** Resolves to the policy that stands then; null when the run is gone. */
async function setPolicy(
  redis: RedisClient,
  keys: RunKeys,
  next: (policy: RunPolicy, tuned: Tuned) => Next,
): Promise<Next | null> {
  for (;;) {
    const [stands, tuned] = await redis.hmget(keys.record, 'policy', 'tuned');
    if (!stands) return null;
    const made = next(JSON.parse(stands) as RunPolicy, JSON.parse(tuned ?? '{}') as Tuned);
    const args = [stands, JSON.stringify(made.policy), JSON.stringify(made.tuned), randomUUID()];
    const changes = made.changes.map((change) => JSON.stringify(change));
    const done = await setPolicyScript.run(redis, [keys.record, keys.changes], [...args, ...changes]);
    if (done === 1) return made;
    if (done === -1) return null;
  }
}

/**
 * Puts the policy that a command asks for on record. What `tune` has set meanwhile stands, as long as the command asks for
 * what it asked before: a command that is started again after a crash takes nothing back. Resolves to the policy that
 * stands; null when the run is gone.
 */
export async function askPolicy(
  redis: RedisClient,
  prefix: string,
  id: string,
  asked: RunPolicy,
): Promise<RunPolicy | null> {
  const made = await setPolicy(redis, runKeys(prefix, id), (_stands, tuned) => {
    const kept = Object.entries(tuned).filter(([field, { asked: before }]) =>
      isDeepStrictEqual(before, asked[field as Tunable] ?? null),
    );
    const set = Object.fromEntries(kept.map(([field, { to }]) => [field, to]));
    return { policy: { ...asked, ...set }, tuned: Object.fromEntries(kept), changes: [] };
  });
  return made?.policy ?? null;
}

/**
 * Changes a run's policy while it goes on, and notes what was changed. Every process takes it at its next look, within
 * 2 s. Resolves to what was changed; null when the run is gone.
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
