import type { Verdict } from '../parts/redis-proxy.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';

const BRIEF: [number, number] = [300, 3_000];

/** Commands that only read; a script counts as one that writes. */
const READS =
  /^(GET|MGET|STRLEN|GETBIT|GETRANGE|BITCOUNT|EXISTS|TYPE|TTL|PTTL|H(GET|MGET|GETALL|EXISTS|LEN|SCAN|VALS|KEYS|STRLEN)|L(RANGE|LEN|INDEX)|Z(SCORE|CARD|RANGE|RANGEBYSCORE|COUNT|RANK)|S(MEMBERS|CARD|ISMEMBER)|X(LEN|RANGE|READ|INFO)|SCAN|TIME|DBSIZE|CONFIG|MEMORY)$/;

/** Replies of a Redis that cannot do what it is asked just now, and whether they stop reads too. */
const ERRORS: [name: string, text: string, reads: boolean][] = [
  ['OOM', "OOM command not allowed when used memory > 'maxmemory'.", false],
  ['LOADING', 'LOADING Redis is loading the dataset in memory', true],
  ['BUSY', 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.', true],
  ['READONLY', "READONLY You can't write against a read only replica.", false],
  ['MISCONF', 'MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk.', false],
  ['CLUSTERDOWN', 'CLUSTERDOWN The cluster is down', true],
];

const decide = (world: World, verdict: (command: string) => Verdict) => {
  world.redisProxy.fault = verdict;
};
const letPass = (world: World) => {
  world.redisProxy.fault = null;
};

const errorReplies: Fault[] = ERRORS.map(([name, error, reads]) => ({
  name: `redis: ${name}`,
  at: 'redis',
  weight: 0.7,
  lastsMs: BRIEF,
  apply(world) {
    // Some servers refuse everything, some only what comes at a bad moment.
    const share = world.random.pick([1, 1, 0.3]);
    decide(world, (command) =>
      (reads || !READS.test(command)) && world.random.chance(share) ? { error } : 'pass',
    );
  },
  heal: letPass,
}));

/** Runs a script that keeps the server for so long. */
const BUSY_SCRIPT =
  "local t = redis.call('TIME') local till = t[1] * 1000 + t[2] / 1000 + ARGV[1] " +
  "repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > till return 1";

/** Redis runs the command, and the connection is cut instead of the answer. So the client sends the command again. */
const loseAnswers = (
  name: string,
  { share, most, of }: { share: number; most: number; of: (command: string) => boolean },
): Fault => ({
  name,
  at: 'redis',
  weight: 1.5,
  lastsMs: [200, 1_500],
  apply(world) {
    let left = world.random.int(1, most);
    decide(world, (command) => {
      if (left === 0 || !of(command) || !world.random.chance(share)) return 'pass';
      left -= 1;
      return 'lose';
    });
  },
  heal: letPass,
});

const stepClock = (seconds: number): Fault => ({
  name: `redis: clock ${seconds > 0 ? '+' : ''}${seconds} s`,
  at: 'redis',
  weight: 0.3,
  lastsMs: [2_000, 5_000],
  apply: (world) => world.redis.stepClock?.(seconds),
  // The clock stays where it was put, as one that was set right does.
});

export const redisFaults: Fault[] = [
  ...errorReplies,
  {
    name: 'redis: kill -9',
    at: 'redis',
    weight: 1.5,
    lastsMs: [100, 2_000],
    apply: (world) => world.redis.stop('SIGKILL'),
    heal: (world) => world.redis.start(),
  },
  {
    name: 'redis: restart',
    at: 'redis',
    lastsMs: [100, 2_000],
    apply: (world) => world.redis.stop(),
    heal: (world) => world.redis.start(),
  },
  {
    name: 'redis: SIGSTOP',
    at: 'redis',
    lastsMs: [500, 4_000],
    apply: (world) => world.redis.kill('SIGSTOP'),
    heal: (world) => world.redis.kill('SIGCONT'),
  },
  loseAnswers('redis: answers lost', { share: 0.2, most: 5, of: (command) => !READS.test(command) }),
  loseAnswers('redis: answers of scripts lost', {
    ...{ share: 0.5, most: 15 },
    of: (command) => command === 'EVALSHA' || command === 'EVAL',
  }),
  {
    name: 'redis: connections cut',
    at: 'redis',
    lastsMs: [0, 0],
    apply: (world) => world.redisProxy.cut(),
  },
  {
    name: 'redis: connections half open',
    at: 'redis',
    lastsMs: [1_000, 5_000],
    apply: (world) => world.redisProxy.freeze(),
    heal(world) {
      if (world.random.chance(0.5)) world.redisProxy.cut();
      world.redisProxy.thaw();
    },
  },
  {
    name: 'redis: memory full',
    at: 'redis',
    lastsMs: BRIEF,
    apply: (world) => void world.redis.admin.config('SET', 'maxmemory', '1'),
    heal: async (world) => void (await world.redis.admin.config('SET', 'maxmemory', '0')),
  },
  {
    name: 'redis: a replica for a while',
    at: 'redis',
    lastsMs: BRIEF,
    apply: async (world) => void (await world.redis.admin.replicaof('127.0.0.1', 1)),
    heal: async (world) => void (await world.redis.admin.replicaof('NO', 'ONE')),
  },
  {
    name: 'redis: busy with a script',
    at: 'redis',
    lastsMs: [1_000, 1_000],
    apply: (world) => void world.redis.admin.eval(BUSY_SCRIPT, 0, 1_000).catch(() => undefined),
    heal: async (world) => void (await world.redis.admin.ping()),
  },
];

/** Only where the clock can be set. */
export const clockFaults: Fault[] = [2, -2, 60, -60, 300, -300].map(stepClock);
