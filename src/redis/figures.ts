import type { Redis } from 'ioredis';

export interface RedisFigures {
  /** `host:port`, or `socket`. */
  node: string;
  usedBytes: number;
  /** 0: no limit. */
  limitBytes: number;
  evictedKeys: number;
}

/** Memory and evictions of the server. */
export async function redisFigures(redis: Redis): Promise<RedisFigures[]> {
  return [await figuresOf(redis)];
}

async function figuresOf(node: Redis): Promise<RedisFigures> {
  const [memory, stats] = await Promise.all([node.info('memory'), node.info('stats')]);
  const { path, host, port } = node.options;
  return {
    node: path ? 'socket' : `${host}:${port}`,
    usedBytes: field(memory, 'used_memory'),
    limitBytes: field(memory, 'maxmemory'),
    evictedKeys: field(stats, 'evicted_keys'),
  };
}

const field = (info: string, name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
