import type { RedisClient } from '../redis/connection.js';
import { defineScript } from '../redis/scripts.js';
import type { Answer, Ask } from './ask.js';

/** Takes in what calls met, and gives out slots: all that the processes of a key share. */
const script = defineScript(new URL('./script/budget.lua', import.meta.url));

export const newsChannel = (key: string) => `${key}:news`;

export type RunScript = (ask: Ask) => Promise<Answer>;

/** The script as a function. Rejects with ioredis' error when Redis cannot be asked. */
export function budgetScript(redis: RedisClient, key: string): RunScript {
  return async (ask) => {
    const answer = JSON.parse(String(await script.run(redis, [key], [JSON.stringify(ask)]))) as Answer;
    // An empty Lua table is encoded as an object.
    return Array.isArray(answer.slots) ? answer : { ...answer, slots: [] };
  };
}
