import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import { createMessages } from './messages.js';
import { runScript } from './run-script.js';

const learnScript = runScript('learn');

/** The last few thousand results weigh, so that a change of the Gateway's pace is followed. */
const RESULTS_KEPT = 2_000;

/** Adds to the sightings of a run's settle times, `settled` results among them; resolves to all of them. */
export type ShareSettleTimes = (
  sightings: ReadonlyMap<string, number>,
  settled: number,
) => Promise<Map<string, number>>;

export function createShareSettleTimes(redis: RedisClient, keys: RunKeys): ShareSettleTimes {
  const messages = createMessages();
  // Messages that could not be sent keep their number: they may have arrived.
  const unsent: { number: number; args: (string | number)[] }[] = [];
  return async (sightings, settled) => {
    unsent.push({ number: messages.next(), args: [RESULTS_KEPT, settled, ...[...sightings].flat()] });
    let all: string[] = [];
    for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
      const args = [messages.sender, next.number, ...next.args];
      all = (await learnScript.run(redis, [keys.seen, keys.settleTimes], args)) as string[];
      unsent.shift();
    }
    const seen = new Map<string, number>();
    for (let i = 0; i < all.length; i += 2)
      if (all[i] !== 'sum') seen.set(all[i] as string, Number(all[i + 1]));
    return seen;
  };
}
