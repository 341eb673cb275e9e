/** What Redis tells of its own work. */
import type { Redis } from 'ioredis';

export interface RedisUse {
  /** Commands carried out, those inside scripts counted. */
  commands: number;
  /** CPU of the main thread, everything counted: sockets, parsing, scripts, timers. */
  cpuUs: number;
  /** Time inside scripts, by COMMANDSTATS. */
  scriptUs: number;
}

/** Asked by the bench itself. */
const OURS = new Set(['info', 'ping', 'config|resetstat', 'memory|stats', 'client|setinfo', 'config']);

const number = (text: string, field: string) =>
  Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(text)?.[1] ?? 0);

export async function redisUse(redis: Redis): Promise<RedisUse> {
  const [stats, cpu] = await Promise.all([redis.info('commandstats'), redis.info('cpu')]);
  const use = { commands: 0, cpuUs: 0, scriptUs: 0 };
  for (const [, name = '', calls, usec] of stats.matchAll(/^cmdstat_(\S+?):calls=(\d+),usec=(\d+)/gm)) {
    if (OURS.has(name)) continue;
    use.commands += Number(calls);
    if (/^(evalsha|eval|fcall)/.test(name)) use.scriptUs += Number(usec);
  }
  const thread = (kind: string) =>
    number(cpu, `used_cpu_${kind}_main_thread`) || number(cpu, `used_cpu_${kind}`);
  use.cpuUs = (thread('user') + thread('sys')) * 1e6;
  return use;
}

export async function usedMemory(redis: Redis): Promise<number> {
  return number(await redis.info('memory'), 'used_memory');
}

export async function peakMemory(redis: Redis): Promise<number> {
  return number(await redis.info('memory'), 'used_memory_peak');
}
