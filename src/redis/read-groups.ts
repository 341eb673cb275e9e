import { type ChainableCommander, Cluster } from 'ioredis';
import type { RedisClient } from './connection.js';

/**
 * Reads several groups of keys at once and resolves to each group's answers: in one pipeline, or on a Redis Cluster,
 * where a pipeline goes to one node, in one for each group. The keys of a group must share a hash tag, and all its
 * commands read keys: only such a pipeline is sent again by the client after a failover half-way.
 *
 * @throws the first error that Redis answered
 */
export async function readGroups(
  redis: RedisClient,
  groups: readonly ((pipeline: ChainableCommander) => void)[],
): Promise<unknown[][]> {
  if (redis instanceof Cluster)
    return Promise.all(
      groups.map(async (ask) => {
        const pipeline = redis.pipeline();
        ask(pipeline);
        return answersOf(pipeline);
      }),
    );
  const pipeline = redis.pipeline();
  const ends = groups.map((ask) => {
    ask(pipeline);
    return pipeline.length;
  });
  const answers = await answersOf(pipeline);
  return ends.map((end, index) => answers.slice(ends[index - 1] ?? 0, end));
}

/** Now by Redis' clock, in ms. */
export async function redisNow(redis: RedisClient): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

async function answersOf(pipeline: ChainableCommander): Promise<unknown[]> {
  return ((await pipeline.exec()) ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}
