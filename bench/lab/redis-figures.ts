/** Redis' own figures of its work. */
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

export interface CommandUse {
  command: string;
  calls: number;
  us: number;
}

/** Each command that was carried out, by anyone but the bench. A script's time holds that of the commands inside it. */
export async function commandStats(redis: Redis): Promise<CommandUse[]> {
  const lines = (await redis.info('commandstats')).matchAll(/^cmdstat_(\S+?):calls=(\d+),usec=(\d+)/gm);
  return [...lines]
    .map(([, command = '', calls, us]) => ({ command, calls: Number(calls), us: Number(us) }))
    .filter(({ command }) => !OURS.has(command));
}

export async function redisUse(redis: Redis): Promise<RedisUse> {
  const [commands, cpu] = await Promise.all([commandStats(redis), redis.info('cpu')]);
  const thread = (kind: string) =>
    number(cpu, `used_cpu_${kind}_main_thread`) || number(cpu, `used_cpu_${kind}`);
  const scripts = commands.filter(({ command }) => /^(evalsha|eval|fcall)/.test(command));
  return {
    commands: commands.reduce((sum, { calls }) => sum + calls, 0),
    cpuUs: (thread('user') + thread('sys')) * 1e6,
    scriptUs: scripts.reduce((sum, { us }) => sum + us, 0),
  };
}

export async function usedMemory(redis: Redis): Promise<number> {
  return number(await redis.info('memory'), 'used_memory');
}

export async function peakMemory(redis: Redis): Promise<number> {
  return number(await redis.info('memory'), 'used_memory_peak');
}
