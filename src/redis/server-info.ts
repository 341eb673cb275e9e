import { Cluster, type Redis } from 'ioredis';
import type { RedisClient } from './connection.js';

export interface ServerInfo {
  /** `host:port`, or `socket`. */
  node: string;
  usedBytes: number;
  /** 0: no limit. */
  limitBytes: number;
  evictedKeys: number;
}

/** Memory and evictions of the server, or of each master of a cluster. */
export async function readServerInfo(redis: RedisClient): Promise<ServerInfo[]> {
  return Promise.all((redis instanceof Cluster ? redis.nodes('master') : [redis]).map(figuresOf));
}

async function figuresOf(node: Redis): Promise<ServerInfo> {
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
