import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';

/** Lines further apart than this are looked up one by one, bytes. */
const LONGEST_READ = 4_096;

/** The bits of some lines of a source. Lines that lie close together take one read. */
export async function lineBits(
  redis: RedisClient,
  key: string,
  lines: readonly { line: number }[],
): Promise<(line: number) => boolean> {
  if (lines.length === 0) return () => false;
  const [first, last] = lines.reduce(
    ([least, most], { line }) => [Math.min(least, line), Math.max(most, line)],
    [Number.POSITIVE_INFINITY, 0],
  );
  const firstByte = Math.floor((first - 1) / 8);
  if (Math.floor((last - 1) / 8) - firstByte > LONGEST_READ) {
    const found = await Promise.all(lines.map(({ line }) => redis.getbit(key, line - 1)));
    const set = new Set(lines.filter((_line, index) => found[index] === 1).map(({ line }) => line));
    return (line) => set.has(line);
  }
  const bits = await redis.getrangeBuffer(key, firstByte, Math.floor((last - 1) / 8));
  return (line) => {
    const byte = bits[Math.floor((line - 1) / 8) - firstByte] ?? 0;
    return ((byte >> (7 - ((line - 1) % 8))) & 1) === 1;
  };
}

/** Which of a source's lines have ended. */
export const endedBits = (
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  lines: readonly { line: number }[],
) => lineBits(redis, keys.ended(source), lines);
