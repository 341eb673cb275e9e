/** Writes what was measured into docs/performance.md and docs/sizing.md, between their markers, and the chart beside them. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Chart, chartsSvg } from '../growth/chart.js';
import type { Results } from './results.js';
import { checked, costs, examples } from './sizing.js';
import { comparedFigures, contenders, growth, profileTables } from './tables.js';

const at = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const PERFORMANCE = at('docs/performance.md');
const SIZING = at('docs/sizing.md');
const CHART = at('docs/performance-growth.svg');
const BEFORE = at('bench/results/before.json');
const AFTER = at('bench/results/after.json');

const read = async (file: string): Promise<Results | undefined> =>
  JSON.parse(await readFile(file, 'utf8').catch(() => 'null')) ?? undefined;

export async function keepAsAfter(results: Results): Promise<void> {
  await writeFile(AFTER, `${JSON.stringify(results, null, 2)}\n`);
}

/** From the recorded results: `before.json`, and `after.json` where it is there. */
export async function writeDocs(): Promise<void> {
  const [before, after] = [await read(BEFORE), await read(AFTER)];
  const shown = after ?? before;
  if (!shown) throw new Error('nothing is recorded: npm run bench -- --write-docs measures first');
  await rewrite(PERFORMANCE, {
    figures: `${comparedFigures(before, after)}\n\n${measuredWith(shown)}`,
    contenders: contenders(shown),
    profile: profileTables(shown),
    growth: growth(shown),
  });
  await rewrite(SIZING, { costs: costs(shown), examples: examples(shown), checked: checked(shown) });
  if (shown.growth) await writeFile(CHART, chartsSvg(chartsOf(shown.growth)));
}

async function rewrite(file: string, blocks: Record<string, string>): Promise<void> {
  let page = await readFile(file, 'utf8');
  for (const [name, text] of Object.entries(blocks)) {
    const [open, close] = [`<!-- bench: ${name} -->`, `<!-- /bench: ${name} -->`];
    const [from, to] = [page.indexOf(open), page.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`${file} lacks ${open} … ${close}`);
    page = `${page.slice(0, from + open.length)}\n\n${text}\n\n${page.slice(to)}`;
  }
  await writeFile(file, page);
}

function measuredWith({ measured: { at: when, node, redis, cpus, load } }: Results): string {
  const how = `Measured on ${when.slice(0, 10)}: Node ${node}, ${redis}, ${cpus} cores; load of the machine ${load.join(' to ')}.`;
  // The bench itself makes a load of about three: the program, Redis and the Gateway.
  const busy = Math.max(...load) > Math.max(4, 2 * cpus);
  return busy
    ? `${how} **The machine was busy with other work**: times are far too long, speeds too low, and ratios of speeds uncertain. Bytes and commands do not depend on it.`
    : how;
}

function chartsOf({ lines, in_flight, processes }: NonNullable<Results['growth']>): Chart[] {
  const short = (n: number) => (n >= 1e6 ? `${n / 1e6} M` : `${Math.round(n / 1e3)} k`);
  return [
    {
      title: 'lines/s by lines of the manifest',
      labels: lines.map((p) => short(p.lines)),
      series: [{ name: 'lines/s', values: lines.map((p) => p.lines_per_s) }],
    },
    {
      title: 'MiB by lines of the manifest',
      labels: lines.map((p) => short(p.lines)),
      series: [
        { name: 'process', values: lines.map((p) => p.process_peak_mib) },
        { name: 'Redis', values: lines.map((p) => p.redis_peak_mib) },
      ],
    },
    {
      title: 'submissions/s by tasks in flight',
      labels: in_flight.map((p) => short(p.in_flight)),
      series: [{ name: 'submissions/s', values: in_flight.map((p) => p.submissions_per_s) }],
    },
    {
      title: 'MiB by tasks in flight',
      labels: in_flight.map((p) => short(p.in_flight)),
      series: [
        { name: 'process', values: in_flight.map((p) => p.process_rss_mib) },
        { name: 'Redis', values: in_flight.map((p) => p.redis_mib) },
      ],
    },
    {
      title: 'lines/s by processes, 200 ms latency',
      labels: processes.map((p) => `${p.processes}`),
      series: [{ name: 'lines/s', values: processes.map((p) => p.lines_per_s) }],
    },
  ];
}
