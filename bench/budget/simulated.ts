import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { type ModelName, models } from '../../test/budget/servers.js';
import { createWorld, measure } from '../../test/budget/world.js';
import { withRedis } from './redis.js';

/*
 * Use, 429s and overshoot of the budget on virtual time, for known and unknown limits, against three kinds of server.
 *   npm run bench:budget -- [known|unknown|all]
 */
const [part = 'all'] = process.argv.slice(2);
const percent = (value: number, digits = 1) => `${(value * 100).toFixed(digits)}%`;
const kinds: ModelName[] = ['bucket', 'fixed', 'sliding'];

interface Cell {
  kind: ModelName;
  limit: number;
  known: boolean;
  processes: number;
  retryAfter?: boolean;
  network?: [number, number];
  stalls?: boolean;
}

type Measures = ReturnType<typeof measure>[];
const least = (measures: Measures) => Math.min(...measures.map(({ use }) => use));

async function simulate(
  redis: Redis,
  cell: Cell,
  seconds: number,
  seed = 1,
  changes: Record<number, number> = {},
) {
  const server = models[cell.kind](cell.limit);
  const world = createWorld({
    redis,
    key: `bench:budget:{${randomUUID()}}`,
    server,
    seed,
    ...(cell.retryAfter && { retryAfter: true }),
    ...(cell.network && { network: cell.network }),
  });
  const workers = Math.ceil((cell.limit * ((cell.network?.[1] ?? 2) * 2 + 60)) / 1000 / cell.processes) + 4;
  for (let i = 0; i < cell.processes; i += 1) {
    const process = world.addProcess(cell.known ? { rate: cell.limit } : {});
    process.work('submit', workers);
    process.work('poll', workers);
    if (cell.stalls)
      for (let t = 1500; t < seconds * 1000; t += 2000) world.clock.at(t + 97 * i, () => process.stall(60));
  }
  for (const [at, rate] of Object.entries(changes))
    world.clock.at(Number(at) * 1000, () => server.setRate(rate, world.clock.time));
  await world.run(seconds);
  return world;
}

async function known(redis: Redis): Promise<void> {
  console.log('known limit, 30 s:  server  limit  processes   use   429s  fullest second / limit');
  for (const kind of kinds)
    for (const limit of [20, 200, 1000])
      for (const [processes, stalls] of [
        [1, false],
        [4, false],
        [4, true],
      ] as const) {
        const world = await simulate(redis, { kind, limit, known: true, processes, stalls }, 31);
        const { use, refused, overshoot } = measure(world.arrivals, limit, 1, 31);
        console.log(
          kind.padEnd(8),
          String(limit).padStart(5),
          processes,
          stalls ? 'stalls of 60 ms' : '               ',
          percent(use),
          percent(refused, 2),
          overshoot.toFixed(3),
        );
      }
}

async function unknown(redis: Redis): Promise<void> {
  console.log(
    'unknown limit R, 4 processes, worst of 3 seeds: cold start; halved at 120 s; doubled at 240 s',
  );
  console.log(
    'server      R  Retry-After  network  | 30-120 s: use  429s | use 60-120 s after halving | and after doubling',
  );
  for (const kind of kinds)
    for (const limit of [50, 500])
      for (const retryAfter of [false, true])
        for (const network of [
          [0.3, 1.5],
          [10, 40],
        ] as [number, number][]) {
          const cell = { kind, limit, known: false, processes: 4, retryAfter, network };
          const steady: Measures = [];
          const halved: Measures = [];
          const doubled: Measures = [];
          for (const seed of [1, 2, 3]) {
            const { arrivals } = await simulate(redis, cell, 360, seed, { 120: limit / 2, 240: limit });
            steady.push(measure(arrivals, limit, 30, 120));
            halved.push(measure(arrivals, limit / 2, 180, 240));
            doubled.push(measure(arrivals, limit, 300, 360));
          }
          const refused = Math.max(...steady.map((one) => one.refused));
          const columns = [
            kind.padEnd(8),
            String(limit).padStart(4),
            (retryAfter ? 'yes' : 'no').padEnd(12),
            network.join('-').padEnd(8),
            '|',
            percent(least(steady)),
            percent(refused, 2),
            '|',
            percent(least(halved)),
            '|',
            percent(least(doubled)),
          ];
          console.log(columns.join(' '));
        }
}

await withRedis(async (socketPath) => {
  const redis = new Redis(socketPath);
  if (part === 'known' || part === 'all') await known(redis);
  if (part === 'unknown' || part === 'all') await unknown(redis);
  redis.disconnect();
});
