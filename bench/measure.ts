/** Measures the sections of a form, one after the other. */
import { type Contender, endToEnd } from './figures/end-to-end.js';
import { inFlight } from './figures/in-flight.js';
import { oneLine, versionTime } from './figures/latency.js';
import { lowRate } from './figures/low-rate.js';
import { producing } from './figures/producing.js';
import { profile } from './figures/profile.js';
import { reading } from './figures/reading.js';
import type { Form } from './forms.js';
import { atLines } from './growth/lines.js';
import { withProcesses } from './growth/processes.js';
import { inTurn, least, medians } from './lab/stats.js';
import type { Results, Section } from './report/results.js';

type Say = (message: string) => void;
type Measure = (form: Form, say: Say) => Promise<Partial<Results>>;

const MEASURES: Record<Section, Measure> = {
  end_to_end: async (form, say) => {
    const by: NonNullable<Results['end_to_end']> = {};
    for (const { lines, rounds, loops } of form.endToEnd) {
      const names: Contender[] = loops ? ['bullmq', 'undici_loop', 'fetch_loop', 'ours'] : ['bullmq', 'ours'];
      const contenders = Object.fromEntries(names.map((name) => [name, () => endToEnd(name, lines)]));
      const all = await inTurn(rounds, contenders, (round, name, { lines_per_s }) =>
        say(`end to end, ${lines} lines, round ${round}: ${name} ${Math.round(lines_per_s)} lines/s`),
      );
      by[lines] = Object.fromEntries(
        Object.entries(all).map(([name, measured]) => [name, medians(measured)]),
      );
    }
    return { end_to_end: by };
  },

  producing: async ({ producing: { lines, rounds } }, say) => {
    const all = await inTurn(
      rounds,
      { add_bulk: () => producing('add_bulk', lines), ours: () => producing('ours', lines) },
      (round, name, { lines_per_s }) =>
        say(`producing ${lines} lines, round ${round}: ${name} ${Math.round(lines_per_s)} lines/s`),
    );
    return { producing: { lines, add_bulk: medians(all.add_bulk), ours: medians(all.ours) } };
  },

  in_flight: async ({ inFlight: { lines, limitMs } }) => ({
    in_flight: {
      polled: await inFlight(lines, { webhooks: false, limitMs }),
      webhooks: await inFlight(lines, { webhooks: true, limitMs }),
    },
  }),

  one_line: async ({ oneLine: { rounds } }) => {
    const { ours } = await inTurn(rounds, { ours: oneLine });
    return { one_line: { median: medians(ours), least: least(ours) } };
  },

  version: async ({ version: { rounds } }) => {
    const { ours } = await inTurn(rounds, { ours: versionTime });
    return { version: { median: medians(ours), least: least(ours) } };
  },

  low_rate: async ({ lowRate: { lines } }) => ({ low_rate: await lowRate(lines) }),

  reading: async ({ reading: { lines, rounds } }) => {
    const all = await inTurn(rounds, {
      split2: () => reading('split2', lines),
      ours: () => reading('ours', lines),
    });
    return { reading: { lines, split2: medians(all.split2), ours: medians(all.ours) } };
  },

  profile: async (form) => (form.profile ? { profile: await profile(form.profile.lines) } : {}),

  growth: async ({ growth }, say) => {
    if (!growth) return {};
    const points: NonNullable<Results['growth']> = { lines: [], in_flight: [], processes: [] };
    for (const lines of growth.lines) {
      const point = await atLines(lines, growth.linesLimitMs);
      points.lines.push(point);
      say(`growth: ${point.ended} of ${lines} lines, ${Math.round(point.lines_per_s)} lines/s`);
    }
    for (const lines of growth.inFlight) {
      const point = await inFlight(lines, { webhooks: false, limitMs: growth.limitMs });
      points.in_flight.push(point);
      say(
        `growth: ${point.in_flight} of ${lines} tasks in flight, ${Math.round(point.redis_mib)} MiB of Redis`,
      );
    }
    for (const processes of growth.processes) {
      const point = await withProcesses(processes, growth.linesOfProcesses);
      points.processes.push(point);
      say(`growth: ${processes} processes, ${Math.round(point.lines_per_s)} lines/s`);
    }
    return { growth: points };
  },
};

export async function measure(form: Form, sections: readonly Section[], say: Say): Promise<Partial<Results>> {
  const results: Partial<Results> = {};
  for (const section of sections) {
    const began = performance.now();
    Object.assign(results, await MEASURES[section](form, say));
    say(`${section}: ${Math.round((performance.now() - began) / 1000)} s`);
  }
  return results;
}
