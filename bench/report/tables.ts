/** The results as tables of Markdown, which a terminal shows well enough. */
import { rounded } from '../lab/stats.js';
import { FIGURES, type Figure, nameOf } from './figures.js';
import type { Results } from './results.js';

type Cell = string | number | null | undefined;

export function table(headers: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = [headers, ...rows].map((cells) => cells.map(spoken));
  const widths = headers.map((_, column) => Math.max(3, ...texts.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = texts;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join(
    '\n',
  );
}

function spoken(cell: Cell): string {
  if (cell === null || cell === undefined || Number.isNaN(cell)) return '–';
  return typeof cell === 'string' ? cell : rounded(cell).toLocaleString('en', { maximumFractionDigits: 3 });
}

const withUnit = (value: number | undefined, unit: string) =>
  value === undefined || Number.isNaN(value) ? '–' : `${spoken(value)} ${unit}`.trim();

function bound({ better, unit }: Figure, value: number | undefined) {
  return value === undefined ? '' : `${better === 'more' ? '≥' : '≤'} ${withUnit(value, unit)}`;
}

export function reached(figure: Figure, value: number | undefined): string {
  if (value === undefined || figure.must === undefined) return '';
  const within = (least: number) => (figure.better === 'more' ? value >= least : value <= least);
  if (figure.aim !== undefined && within(figure.aim)) return 'aim';
  return within(figure.must) ? 'must' : 'no';
}

/** The figures with a target: before, and now. */
export function comparedFigures(before: Results | undefined, now: Results | undefined): string {
  const shown = now ?? before;
  if (!shown) return '';
  const rows = FIGURES.map((figure) => {
    const is = now && figure.value(now);
    return [
      nameOf(figure, shown),
      withUnit(figure.floor?.(shown), figure.unit),
      withUnit(before && figure.value(before), figure.unit),
      withUnit(is, figure.unit),
      bound(figure, figure.must),
      bound(figure, figure.aim),
      reached(figure, is),
    ];
  });
  return table(['figure', 'floor', 'before', 'after', 'must', 'aim', 'reached'], rows);
}

const CONTENDERS = {
  bullmq: 'bare BullMQ',
  undici_loop: 'undici loop, 1,000 in flight',
  fetch_loop: '`fetch` loop of 100',
  ours: 'asg-ingest',
} as const;

/** What is behind the ratios, by size. */
export function contenders(results: Results): string {
  const rows = Object.entries(results.end_to_end ?? {}).flatMap(([lines, by]) =>
    Object.entries(CONTENDERS).flatMap(([key, name]) => {
      const one = by[key as keyof typeof CONTENDERS];
      if (!one) return [];
      const redis = key === 'bullmq' || key === 'ours';
      const { redis_cpu_us_per_line: cpu, redis_commands_per_line: commands } = one;
      return [
        [
          Number(lines).toLocaleString('en'),
          name,
          Math.round(one.lines_per_s),
          one.process_cpu_us_per_line,
          redis ? cpu : null,
          redis ? commands : null,
          one.peak_rss_mib,
        ],
      ];
    }),
  );
  const headers = ['lines', 'program', 'lines/s', 'process CPU/line, µs', 'Redis CPU/line, µs'];
  return table([...headers, 'Redis commands/line', 'peak memory, MiB'], rows);
}

export function growth({ growth: points }: Results): string {
  if (!points) return '';
  const cut = (done: number, all: number) =>
    done < all ? `${spoken(all)} (cut off at ${spoken(done)})` : spoken(all);
  const byLines = table(
    ['lines', 'lines/s', 'process at its peak, MiB', 'grew by, MiB', 'Redis at its peak, MiB'],
    points.lines.map((p) => [
      cut(p.ended, p.lines),
      p.lines_per_s,
      p.process_peak_mib,
      p.process_growth_mib,
      p.redis_peak_mib,
    ]),
  );
  const byInFlight = table(
    [
      'tasks in flight',
      'submissions/s',
      'Redis CPU/submission, µs',
      'Redis, MiB',
      'B per task',
      'process, MiB',
    ],
    points.in_flight.map((p) => [
      p.in_flight,
      p.submissions_per_s,
      p.redis_cpu_us_per_submission,
      p.redis_mib,
      p.in_flight < p.lines ? null : p.bytes_per_task,
      p.process_rss_mib,
    ]),
  );
  const byProcesses = table(
    ['processes', 'lines/s', 'process CPU/line, µs'],
    points.processes.map((p) => [p.processes, p.lines_per_s, p.process_cpu_us_per_line]),
  );
  return [byLines, byInFlight, byProcesses].join('\n\n');
}

export function profileTables({ profile }: Results): string {
  if (!profile) return '';
  const process = table(
    ['the process’ busy time', 'share'],
    profile.process.slice(0, 14).map(({ where, share }) => [where, `${(share * 100).toFixed(1)}%`]),
  );
  const redis = table(
    ['Redis command', 'calls/line', 'µs/line'],
    profile.redis.slice(0, 14).map((one) => [`\`${one.command}\``, one.calls_per_line, one.us_per_line]),
  );
  return `${process}\n\n${redis}`;
}
