/** One cell of the matrix: a Gateway with a limit that nobody tells, and whole commands that have to find it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxStats } from '../../src/sandbox/index.js';
import { cli, manifest, remoteGateway, TASK } from '../harness.js';

export interface Cell {
  kind: 'fixed' | 'sliding' | 'bucket';
  limit: number;
  retryAfter: boolean;
  processes: number;
}

/** What the Gateway let through and refused, second by second, from the first call on. */
export interface Timeline {
  accepted: number[];
  refused: number[];
}

/** The Gateway's limit from this second on. */
export interface Change {
  second: number;
  limit: number;
}

/** The limit is halved, and restored later. */
export const halvedAndRestored = (limit: number): Change[] => [
  { second: 40, limit: limit / 2 },
  { second: 75, limit },
];

export const nameOf = ({ kind, limit, retryAfter, processes }: Cell) =>
  `${kind}, ${limit}/s, ${retryAfter ? 'Retry-After' : 'no Retry-After'}, ${processes} process${processes > 1 ? 'es' : ''}`;

let cells = 0;

export async function runCell(cell: Cell, seconds: number, changes: Change[] = []): Promise<Timeline> {
  cells += 1;
  const gateway = await remoteGateway(
    ...['--settle', '50ms', '--rate-limit', String(cell.limit), '--rate-limit-kind', cell.kind],
    ...['--retry-after', cell.retryAfter ? 'seconds' : 'none'],
  );
  const file = await manifest(Math.ceil(cell.limit * (seconds + 10)));
  const shared = ['--gateway-url', gateway.url, '--data-dir', `data-${cells}`];
  const commands = [
    cli('run', file, ...shared, '--out', `out-${cells}`, '--run-id', `cell-${cells}`, '--quiet', ...TASK),
  ];
  for (let i = 1; i < cell.processes; i += 1)
    commands.push(cli('work', ...shared, '--metrics-port', '0', '--log-level', 'silent'));
  try {
    return await watch(gateway, seconds, changes);
  } finally {
    for (const { child } of commands) child.kill('SIGKILL');
    await Promise.all(commands.map(({ exit }) => exit));
    gateway.stop();
  }
}

type Watched = Pick<Awaited<ReturnType<typeof remoteGateway>>, 'stats' | 'set'>;

async function watch({ stats, set }: Watched, seconds: number, changes: Change[]): Promise<Timeline> {
  while (answered(await stats()) === 0) await sleep(5);
  const timeline: Timeline = { accepted: [], refused: [] };
  let before = { accepted: 0, refused: 0 };
  const began = performance.now();
  for (let second = 1; second <= seconds; second += 1) {
    await sleep(Math.max(0, began + second * 1000 - performance.now()));
    const now = await stats();
    const counts = { accepted: answered(now), refused: now.rate_limited };
    timeline.accepted.push(counts.accepted - before.accepted);
    timeline.refused.push(counts.refused - before.refused);
    before = counts;
    const change = changes.find((each) => each.second === second);
    if (change) await set({ rateLimit: change.limit });
  }
  return timeline;
}

const answered = ({ calls }: SandboxStats) =>
  Object.values(calls)
    .flatMap((statuses) => Object.entries(statuses))
    .reduce((sum, [status, n]) => sum + (status === '429' ? 0 : n), 0);

/** Shares of the limit: of the first 10 s, and from then on; and of the calls after 30 s, how many were refused. */
export function figures({ accepted, refused }: Timeline, limit: number) {
  const sum = (list: number[], from: number, to = list.length) =>
    list.slice(from, to).reduce((all, n) => all + n, 0);
  const calls = sum(accepted, 30) + sum(refused, 30);
  return {
    first10: sum(accepted, 0, 10) / limit / 10,
    used: sum(accepted, 10) / limit / Math.max(1, accepted.length - 10),
    refusedLate: calls === 0 ? 0 : sum(refused, 30) / calls,
    refusals: sum(refused, 0),
  };
}

/** Seconds after a change until three seconds in a row use 90% of the new limit; null when that never comes. */
export function secondsUntilUsed({ accepted }: Timeline, { second, limit }: Change): number | null {
  for (let from = second; from + 3 <= accepted.length; from += 1) {
    const three = accepted.slice(from, from + 3).reduce((sum, n) => sum + n, 0);
    if (three >= 0.9 * 3 * limit) return from - second;
  }
  return null;
}

/** The share of the limit that is used from `from` to `to`. */
export const usedBetween = ({ accepted }: Timeline, limit: number, from: number, to: number) =>
  accepted.slice(from, to).reduce((sum, n) => sum + n, 0) / limit / (to - from);
