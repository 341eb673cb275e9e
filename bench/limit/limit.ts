/**
 * How much of an unknown limit the whole pipeline uses: real commands of the built package, a real Redis, a Gateway over
 * HTTP that enforces the limit and says nothing of it.
 *   npm run bench:limit                              six cells, 38 s each
 *   npm run bench:limit -- all [rounds] [seconds]    {fixed, sliding, bucket} x {20, 50, 200, 1000/s} x {no Retry-After, 1 s} x {1, 2, 4 processes}
 *   npm run bench:limit -- cell <kind> <limit> <yes|no> <processes> [rounds] [seconds]
 *   npm run bench:limit -- changes <kind> <limit> <yes|no> <processes> [rounds]     halved after 40 s, restored after 75 s
 * Writes the timeline of the worst cell to docs/unknown-limit.svg when SVG=1.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { cleanUp } from '../harness.js';
import {
  type Cell,
  figures,
  halvedAndRestored,
  nameOf,
  runCell,
  secondsUntilUsed,
  type Timeline,
  usedBetween,
} from './cell.js';
import { timelineSvg } from './svg.js';

const QUICK: Cell[] = [
  { kind: 'sliding', limit: 50, retryAfter: false, processes: 2 },
  { kind: 'fixed', limit: 50, retryAfter: true, processes: 2 },
  { kind: 'bucket', limit: 200, retryAfter: true, processes: 2 },
  { kind: 'sliding', limit: 200, retryAfter: false, processes: 1 },
  { kind: 'fixed', limit: 20, retryAfter: true, processes: 1 },
  { kind: 'bucket', limit: 20, retryAfter: false, processes: 4 },
];

const all = (): Cell[] =>
  (['fixed', 'sliding', 'bucket'] as const).flatMap((kind) =>
    [20, 50, 200, 1000].flatMap((limit) =>
      [false, true].flatMap((retryAfter) =>
        [1, 2, 4].map((processes) => ({ kind, limit, retryAfter, processes })),
      ),
    ),
  );

const percent = (share: number, digits = 1) => `${(share * 100).toFixed(digits)}%`;
const middle = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

const [which = 'quick', ...more] = process.argv.slice(2);
const [kind = 'sliding', limit = '50', retryAfter = 'no', processes = '1', ...rest] = more;
const one = {
  kind: kind as Cell['kind'],
  limit: Number(limit),
  retryAfter: retryAfter === 'yes',
  processes: Number(processes),
};
const cells = which === 'quick' ? QUICK : which === 'all' ? all() : [one];
const [rounds = 1, seconds = which === 'quick' ? 36 : 60] = (which === 'cell' ? rest : more).map(Number);

const CHANGES_SECONDS = 110;

async function changes(cell: Cell, rounds: number): Promise<void> {
  console.log(
    '90% again after: halved, restored | used from 15 s after the change on: halved, restored | cell',
  );
  const both = halvedAndRestored(cell.limit);
  for (let round = 0; round < rounds; round += 1) {
    const timeline = await runCell(cell, CHANGES_SECONDS, both);
    const after = both.map((change) => `${secondsUntilUsed(timeline, change) ?? 'never'} s`);
    const used = both.map(({ second, limit }, i) =>
      percent(usedBetween(timeline, limit, second + 15, both[i + 1]?.second ?? CHANGES_SECONDS)),
    );
    console.log([after.join(', '), used.join(', '), nameOf(cell)].join(' | '));
    console.log(`  let through ${timeline.accepted.join(' ')}; refused ${timeline.refused.join(' ')}`);
  }
}

if (which === 'changes') {
  await changes(one, Number(rest[0] ?? 1)).finally(cleanUp);
  process.exit();
}

let worst: { used: number; cell: Cell; timeline: Timeline } | undefined;
console.log(
  'first 10 s | from second 10: median, worst | 429s after 30 s: median, worst | 429s in all | cell',
);
try {
  for (const cell of cells) {
    const seen: ReturnType<typeof figures>[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const timeline = await runCell(cell, seconds);
      const got = figures(timeline, cell.limit);
      seen.push(got);
      if (worst === undefined || got.used < worst.used) worst = { used: got.used, cell, timeline };
    }
    const of = (pick: (each: ReturnType<typeof figures>) => number) => seen.map(pick);
    const columns = [
      percent(Math.min(...of((each) => each.first10))).padStart(10),
      `${percent(middle(of((each) => each.used)))}, ${percent(Math.min(...of((each) => each.used)))}`,
      `${percent(middle(of((each) => each.refusedLate)), 2)}, ${percent(Math.max(...of((each) => each.refusedLate)), 2)}`,
      String(Math.max(...of((each) => each.refusals))),
      nameOf(cell),
    ];
    console.log(columns.join(' | '));
  }
  if (worst) {
    console.log(
      `worst: ${nameOf(worst.cell)}: let through ${worst.timeline.accepted.join(' ')}; refused ${worst.timeline.refused.join(' ')}`,
    );
    if (process.env.SVG)
      await writeFile(
        fileURLToPath(new URL('../../docs/unknown-limit.svg', import.meta.url)),
        timelineSvg(nameOf(worst.cell), worst.timeline, worst.cell.limit),
      );
  }
} finally {
  await cleanUp();
}
