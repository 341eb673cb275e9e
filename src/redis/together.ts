import type { ChainableCommander, Redis } from 'ioredis';

/**
 * Reads several groups of keys at once and resolves to each group's answers: in one pipeline.
 *
 * @throws the first error that Redis answered
 */
export async function readTogether(
  redis: Redis,
  groups: readonly ((pipeline: ChainableCommander) => void)[],
): Promise<unknown[][]> {
  const pipeline = redis.pipeline();
  const ends = groups.map((ask) => {
    ask(pipeline);
    return pipeline.length;
  });
  const answers = ((await pipeline.exec()) ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
  return ends.map((end, index) => answers.slice(ends[index - 1] ?? 0, end));
}
