import type { RunKeys } from '../runs/keys.js';
import type { RunRedis } from '../runs/scripts.js';

/** So many lines refused and not one accepted: it is not the lines that are wrong. */
export const REFUSALS_OF_A_WRONG_ENDPOINT = 100;

const ACCEPTED = 'accepted';
const REFUSED = 'refused';
/** Counts the times that the endpoint was taken for a wrong one: a resumed run gives it a new chance. */
const ROUND = 'endpoint_round';

/** What a refusal says of a line. */
export type Verdict =
  /** Its own fault. */
  | { kind: 'line' }
  /** Nothing yet: it is submitted again, behind all that wait; `round` is kept with it. */
  | { kind: 'again'; round: number }
  /** The Gateway URL is no Gateway's. */
  | { kind: 'endpoint' };

/** Puts on record that the Gateway takes submissions. */
export const prove = (redis: RunRedis, keys: RunKeys) => redis.hset(keys.counts, ACCEPTED, 1);

/**
 * Until the Gateway has accepted a line, refusals prove nothing against the lines: each is submitted once more, and
 * only a second refusal fails it. With so many refused once and none accepted, none has failed. `askedIn` is the round
 * in which this line was refused before.
 */
export async function judgeRefusal(
  redis: RunRedis,
  keys: RunKeys,
  askedIn: number | undefined,
): Promise<Verdict> {
  const [accepted, counted] = await redis.hmget(keys.counts, ACCEPTED, ROUND);
  const round = Number(counted ?? 0);
  if (accepted !== null || askedIn === round) return { kind: 'line' };
  const refused = await redis.hincrby(keys.counts, REFUSED, 1);
  if (refused < REFUSALS_OF_A_WRONG_ENDPOINT) return { kind: 'again', round };
  if (refused === REFUSALS_OF_A_WRONG_ENDPOINT)
    await redis.multi().hset(keys.counts, REFUSED, 0).hincrby(keys.counts, ROUND, 1).exec();
  return { kind: 'endpoint' };
}
