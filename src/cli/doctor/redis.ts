import type { Releasers } from '../../lib/releasers.js';
import { openStore, type Store } from '../../pipeline/open.js';
import { redisNow } from '../../redis/read-groups.js';
import type { CommandContext } from '../program.js';
import { clockFinding, type Finding, failed, unreadable } from './finding.js';

const ANSWER_MS = 10_000;

export async function checkRedis(
  { settings, log }: CommandContext,
  releasers: Releasers,
): Promise<Finding[]> {
  let store: Store;
  try {
    const opened = await Promise.race([openStore(settings, log, releasers), late(ANSWER_MS)]);
    if (opened === null) throw new Error(`no answer within ${ANSWER_MS / 1000} s`);
    store = opened;
  } catch (error) {
    return [failed('Redis', error)];
  }
  const [server, clock] = await Promise.all([
    store.redis
      .info()
      .then(serverFindings, (error: unknown) => [
        unreadable('Redis version, maxmemory-policy and persistence', error),
      ]),
    redisNow(store.redis).then(
      (now) => clockFinding("Redis' clock", now - Date.now()),
      (error: unknown) => unreadable("Redis' clock", error),
    ),
  ]);
  return [...server, clock];
}

function serverFindings(info: string): Finding[] {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
  const version = field('valkey_version') || field('redis_version');
  const policy = field('maxmemory_policy') || 'unknown';
  const aof = field('aof_enabled') === '1';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return [
    {
      what: 'Redis version',
      ok: major > 6 || (major === 6 && minor >= 2),
      found: version,
      hint: 'Redis 6.2 or later, or Valkey',
    },
    {
      what: 'Redis maxmemory-policy',
      ok: policy === 'noeviction',
      found: policy,
      hint: 'CONFIG SET maxmemory-policy noeviction: an evicted job is a lost job',
    },
    {
      what: 'Redis persistence',
      ok: aof,
      found: aof ? 'AOF is on' : 'AOF is off',
      hint: 'CONFIG SET appendonly yes: a restart forgets the runs otherwise',
    },
  ];
}

const late = (ms: number) => new Promise<null>((resolve) => setTimeout(() => resolve(null), ms).unref());
