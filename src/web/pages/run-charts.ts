import { number, span } from '../../lib/format.js';
import { CONFIDENCE_STEPS, type History, resampleHistory, settleBinEnds } from '../../runs/timeline.js';
import { chart } from './charts.js';
import type { Html } from './html.js';
import { percent, sum } from './run-numbers.js';

/** The charts of a run's page. Figures that were never counted have none. */

/** @param seconds from the run's start to its end, or to now */
export function overTime(history: History, seconds: number): Html[] {
  const columns = resampleHistory(history, seconds);
  if (history.columns.length === 0) return [];
  const perSecond = (n: number, width: number) => Number((n / width).toFixed(1));
  const when = (from: number, width: number) => `${clock(from)} to ${clock(from + width)}`;
  const end = columns.reduce((_, { from, width }) => from + width, 0);
  const ticks = [0, end / 2, end].map(clock);
  const all = (of: 'submitted' | 'settled' | 'failed' | 'limited') => sum(columns.map((each) => each[of]));
  const peak = Math.max(...columns.map(({ settled, width }) => perSecond(settled, width)));
  const throughput = chart({
    id: 'throughput',
    title: 'Throughput',
    says: `${number(all('settled'))} settled in ${span(end)}: ${number(all('settled') / end)} per second on the whole, ${number(peak)} at best`,
    legend: [
      ['settled', 'settled'],
      ['failed', 'failed'],
      ['in-flight line', 'submitted'],
    ],
    unit: '/s',
    bars: columns.map(({ from, width, settled, failed, submitted }) => ({
      title: `${when(from, width)}: ${number(submitted)} submitted, ${number(settled)} settled, ${number(failed)} failed`,
      segments: [
        ['settled', settled / width],
        ['failed', failed / width],
      ],
    })),
    line: { swatch: 'in-flight', heights: columns.map(({ submitted, width }) => submitted / width) },
    ticks,
    columns: ['time', 'submitted/s', 'settled/s', 'failed/s', '429s'],
    rows: columns
      .filter(({ submitted, settled, failed, limited }) => submitted + settled + failed + limited > 0)
      .map(({ from, width, submitted, settled, failed, limited }) => [
        when(from, width),
        ...[submitted, settled, failed].map((n) => perSecond(n, width)),
        limited,
      ]),
  });
  const most = columns.reduce((a, b) => (b.limited > a.limited ? b : a), columns[0] ?? { limited: 0 });
  if (most.limited === 0) return [throughput];
  const limited = chart({
    id: 'limited',
    title: '429s',
    says: `${number(all('limited'))} calls were answered with 429, at most ${number(most.limited)} in ${span(Math.max(1, columns[0]?.width ?? 1))}`,
    small: true,
    bars: columns.map(({ from, width, limited }) => ({
      title: `${when(from, width)}: ${number(limited)} calls answered with 429`,
      segments: [['warn', limited]],
    })),
    ticks,
    columns: ['time', '429s'],
    rows: columns
      .filter(({ limited }) => limited > 0)
      .map(({ from, width, limited }) => [when(from, width), limited]),
  });
  return [throughput, limited];
}

/** @param backlog whether submissions want the calls that polls would take */
export function settleTimes({ settleTimes: counts, gatewayTimes }: History, backlog: boolean): Html | null {
  const all = sum(counts);
  if (all === 0) return null;
  // Two empty bins on each side, so that a chart with one bin still looks like a distribution.
  const first = Math.max(0, counts.findIndex((n) => n > 0) - 2);
  const bins = [...counts, 0, 0].map((n, bin) => ({ bin, n })).slice(first);
  const range = (bin: number) =>
    bin === 0
      ? `up to ${time(settleBinEnds(0))}`
      : `${time(settleBinEnds(bin - 1))} to ${time(settleBinEnds(bin))}`;
  return chart({
    id: 'settle-times',
    title: 'Settle times',
    says: [
      sum(gatewayTimes) > 0 && `The Gateway took: ${shares(gatewayTimes)}`,
      `From submission until we asked and had the label: ${shares(counts)}`,
      backlog && 'Polls wait while submissions want the calls',
    ]
      .filter(Boolean)
      .join('. '),
    bars: bins.map(({ bin, n }) => ({ title: `${range(bin)}: ${lines(n)}`, segments: [['settled', n]] })),
    ticks: [
      first === 0 ? '0' : time(settleBinEnds(first - 1)),
      time(settleBinEnds(first - 1 + bins.length / 2)),
      time(settleBinEnds(counts.length + 1)),
    ],
    columns: ['time', 'lines', 'share'],
    rows: bins.filter(({ n }) => n > 0).map(({ bin, n }) => [range(bin), n, percent(n / all)]),
  });
}

const shares = (counts: readonly number[]): string => {
  const within = (share: number) => time(settleBinEnds(quantile(counts, share)));
  return `half within ${within(0.5)}, 95% within ${within(0.95)}`;
};

export function confidences({ confidences: counts, withoutConfidence }: History): Html | null {
  const all = sum(counts);
  if (all === 0) return null;
  const step = 1 / CONFIDENCE_STEPS;
  const range = (at: number) => `${(at * step).toFixed(2)} to ${((at + 1) * step).toFixed(2)}`;
  const low = sum(counts.slice(0, CONFIDENCE_STEPS / 2));
  const without = withoutConfidence > 0 ? `; ${lines(withoutConfidence)} without one` : '';
  return chart({
    id: 'confidence',
    title: 'Confidence',
    says: `Half of the labels above ${(quantile(counts, 0.5) * step).toFixed(2)}, ${percent(low / all)} below 0.50${without}`,
    bars: counts.map((n, at) => ({ title: `${range(at)}: ${lines(n)}`, segments: [['settled', n]] })),
    ticks: ['0', '0.5', '1'],
    columns: ['confidence', 'lines', 'share'],
    rows: counts
      .map((n, at): [string, number, string] => [range(at), n, percent(n / all)])
      .filter(([, n]) => n > 0),
  });
}

const lines = (n: number) => `${number(n)} ${n === 1 ? 'line' : 'lines'}`;

/** The bin that this share of the counts reaches into. */
function quantile(counts: readonly number[], share: number): number {
  const all = sum(counts);
  let seen = 0;
  for (const [bin, n] of counts.entries()) {
    seen += n;
    if (seen >= share * all) return bin;
  }
  return counts.length - 1;
}

const time = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : span(ms / 1000));

/** Time since the run's start. */
const clock = (seconds: number) => (seconds === 0 ? '0' : span(seconds));
