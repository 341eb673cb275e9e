import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { type ModelName, models } from '../../test/budget/servers.js';
import { createWorld, measure } from '../../test/budget/world.js';

/*
 * Use, 429s and overshoot of the budget on virtual time, for known and unknown limits, against three kinds of server.
 * Usage: tsx bench/budget/simulated.ts <redis socket or URL> [known|unknown|all]
 */
const [target = 'redis://127.0.0.1:6379', part = 'all'] = process.argv.slice(2);
const redis = new Redis(target);
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

async function simulate(cell: Cell, seconds: number, seed = 1) {
  const world = createWorld({
    redis,
    key: `bench:budget:{${randomUUID()}}`,
    server: models[cell.kind](cell.limit),
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
  await world.run(seconds);
  return world;
}

if (part === 'known' || part === 'all') {
  console.log('known limit, 30 s:  server  limit  processes   use   429s  fullest second / limit');
  for (const kind of kinds)
    for (const limit of [20, 200, 1000])
      for (const [processes, stalls] of [
        [1, false],
        [4, false],
        [4, true],
      ] as const) {
        const world = await simulate({ kind, limit, known: true, processes, stalls }, 31);
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

if (part === 'unknown' || part === 'all') {
  console.log(
    'unknown limit, 30 to 120 s after a cold start, 4 processes: server limit retry-after network  use  429s',
  );
  for (const kind of kinds)
    for (const limit of [50, 500])
      for (const retryAfter of [false, true])
        for (const network of [
          [0.3, 1.5],
          [10, 40],
        ] as [number, number][]) {
          const world = await simulate({ kind, limit, known: false, processes: 4, retryAfter, network }, 120);
          const { use, refused } = measure(world.arrivals, limit, 30, 120);
          console.log(
            kind.padEnd(8),
            String(limit).padStart(4),
            retryAfter ? 'Retry-After' : '-          ',
            network.join('-').padEnd(8),
            percent(use),
            percent(refused, 2),
          );
        }
}
redis.disconnect();
