import type { Kind } from '../oracle/find-problems.js';
import { type Finding, type FindingKind, type Findings, ON_THE_WAY } from './findings.js';

export interface FaultRow {
  fault: string;
  times: number;
  /** Lines lost, doubled, and tasks paid twice, in all rounds that the fault was done in. */
  lost: number;
  doubled: number;
  paid_twice: number;
  /** Other problems that the oracle named in those rounds. */
  other: number;
  /** Commands that ended by themselves just after it, runs that were blocked for no reason, runs that hung. */
  died: number;
  blocked: number;
  hung: number;
  /** From the fault's end to the next line that ended, seconds; null when that was never seen. */
  median_recovery: number | null;
  slowest_recovery: number | null;
}

export interface Report {
  seed: string;
  rounds: number;
  lines: number;
  faults: number;
  minutes: number;
  /** With nothing broken and no line that ended, and the round it was in. */
  longest_silence: { seconds: number; seed: string } | null;
  table: FaultRow[];
  findings: Finding[];
  /** Each counted once. */
  totals: Partial<Record<FindingKind, number>>;
}

const LOST: Kind[] = ['missing_line', 'unreported_task'];
const DOUBLED: Kind[] = ['doubled_line', 'unknown_line'];
const PAID: Kind[] = ['paid_twice', 'extra_task'];

/** A report that rounds are added to. */
export function newReport(seed: string): { add(round: Findings, lines: number): void; report(): Report } {
  const started = Date.now();
  const rows = new Map<string, FaultRow & { recoveries: number[] }>();
  const findings: Finding[] = [];
  let [rounds, allLines] = [0, 0];
  let longest: Report['longest_silence'] = null;
  return {
    add({ seed: round, list, done, longestSilenceMs }, lines) {
      const silence = Number((longestSilenceMs / 1_000).toFixed(1));
      if (longest === null || silence > longest.seconds) longest = { seconds: silence, seed: round };
      rounds += 1;
      allLines += lines;
      findings.push(...list);
      for (const [fault, { times, recoveries }] of done) {
        const row = rows.get(fault) ?? emptyRow(fault);
        rows.set(fault, row);
        row.times += times;
        row.recoveries.push(...recoveries);
        const count = (holds: (kind: FindingKind) => boolean) =>
          list
            .filter(({ kind, after }) => holds(kind) && after.includes(fault))
            .reduce((sum, finding) => sum + finding.count, 0);
        row.lost += count((kind) => LOST.includes(kind as Kind));
        row.doubled += count((kind) => DOUBLED.includes(kind as Kind));
        row.paid_twice += count((kind) => PAID.includes(kind as Kind));
        row.other += count((kind) => ![...LOST, ...DOUBLED, ...PAID, ...ON_THE_WAY].includes(kind));
        row.died += count((kind) => kind === 'died');
        row.blocked += count((kind) => kind === 'blocked');
        row.hung += count((kind) => kind === 'hung');
      }
    },
    report() {
      const table = [...rows.values()]
        .sort((a, b) => (a.fault < b.fault ? -1 : 1))
        .map(({ recoveries, ...row }) => {
          const sorted = recoveries.toSorted((a, b) => a - b);
          return {
            ...row,
            median_recovery: seconds(sorted[Math.floor(sorted.length / 2)]),
            slowest_recovery: seconds(sorted.at(-1)),
          };
        });
      const totals: Report['totals'] = {};
      for (const { kind, count } of findings) totals[kind] = (totals[kind] ?? 0) + count;
      return {
        ...{ seed, rounds, lines: allLines, table, findings, totals },
        longest_silence: longest,
        faults: table.reduce((sum, { times }) => sum + times, 0),
        minutes: Number(((Date.now() - started) / 60_000).toFixed(1)),
      };
    },
  };
}

const emptyRow = (fault: string) => ({
  ...{ fault, times: 0, lost: 0, doubled: 0, paid_twice: 0, other: 0, died: 0, blocked: 0, hung: 0 },
  ...{ median_recovery: null, slowest_recovery: null, recoveries: [] },
});

const seconds = (ms: number | undefined) => (ms === undefined ? null : Number((ms / 1_000).toFixed(1)));

const HEAD = [
  ...['fault', 'times', 'lost', 'doubled', 'paid twice', 'other', 'died', 'blocked', 'hung'],
  ...['median recovery', 'slowest'],
];

/** The report as a Markdown table, its findings below. */
export function formatReport({ table, findings, totals, ...sums }: Report): string {
  const cell = (value: unknown) => (value === null ? '' : String(value));
  const time = (value: number | null) => (value === null ? '' : `${value} s`);
  const lines = table.map(({ median_recovery, slowest_recovery, ...row }) => [
    ...Object.values(row).map(cell),
    time(median_recovery),
    time(slowest_recovery),
  ]);
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`;
  const { rounds, lines: all, faults, minutes, seed, longest_silence: silence } = sums;
  return [
    `seed ${seed}: ${rounds} rounds, ${all} lines, ${faults} faults, ${minutes} minutes`,
    `longest silence with nothing broken: ${silence?.seconds ?? 0} s (${silence?.seed})`,
    '',
    row(HEAD),
    row(HEAD.map(() => '---')),
    ...lines.map(row),
    '',
    `findings, each once: ${JSON.stringify(totals)}`,
    ...findings.map(
      ({ kind, count, seed: at, after, message }) =>
        `- ${kind} × ${count} (${at}), after ${after.join(', ')}: ${message.slice(0, 400)}`,
    ),
  ].join('\n');
}
