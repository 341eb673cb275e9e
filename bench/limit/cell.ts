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

export const nameOf = ({ kind, limit, retryAfter, processes }: Cell) =>
  `${kind}, ${limit}/s, ${retryAfter ? 'Retry-After' : 'no Retry-After'}, ${processes} process${processes > 1 ? 'es' : ''}`;

let cells = 0;

export async function runCell(cell: Cell, seconds: number): Promise<Timeline> {
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
    return await watch(gateway.stats, seconds);
  } finally {
    for (const { child } of commands) child.kill('SIGKILL');
    await Promise.all(commands.map(({ exit }) => exit));
    gateway.stop();
  }
}

async function watch(stats: () => Promise<SandboxStats>, seconds: number): Promise<Timeline> {
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
