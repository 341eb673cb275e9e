/** The figures with a target: where each is in the results, beside which floor, and what it must reach. */
import { type Results, sizesOf, smallest } from './results.js';

export interface Figure {
  /** `{small}`, `{large}` and `{producing}` stand for sizes. */
  name: string;
  unit: string;
  /** What ours is; undefined where it was not measured. */
  value(results: Results): number | undefined;
  /** What the floor is in the same unit, or in what the ratio is made of. */
  floor?(results: Results): number | undefined;
  better: 'more' | 'less';
  must?: number;
  aim?: number;
}

const ratio = (ours: number | undefined, floor: number | undefined) =>
  ours === undefined || floor === undefined ? undefined : ours / floor;

const main = smallest;
const large = (results: Results) => results.end_to_end?.[sizesOf(results).large ?? 0];

/** The figure's name with the sizes that were measured. */
export function nameOf(figure: Figure, results: Results): string {
  const sizes: Record<string, number | undefined> = {
    ...sizesOf(results),
    producing: results.producing?.lines,
  };
  return figure.name.replace(
    /\{(\w+)\}/g,
    (_, size: string) => sizes[size]?.toLocaleString('en') ?? 'the larger number of',
  );
}

/** Only where the run got to its end in time. */
const million = (results: Results) =>
  results.growth?.lines.find(({ lines, ended }) => lines === 1_000_000 && ended === lines);

export const FIGURES: readonly Figure[] = [
  {
    name: 'end to end, {small} lines, beside bare BullMQ',
    unit: '×',
    value: (r) => ratio(main(r)?.ours?.lines_per_s, main(r)?.bullmq?.lines_per_s),
    better: 'more',
    must: 1.7,
    aim: 2.5,
  },
  {
    name: 'end to end, {large} lines, beside bare BullMQ',
    unit: '×',
    value: (r) => ratio(large(r)?.ours?.lines_per_s, large(r)?.bullmq?.lines_per_s),
    better: 'more',
    must: 1.7,
    aim: 2.5,
  },
  {
    name: 'beside an in-memory undici loop, 1,000 in flight',
    unit: '×',
    value: (r) => ratio(main(r)?.ours?.lines_per_s, main(r)?.undici_loop?.lines_per_s),
    better: 'more',
  },
  {
    name: 'beside an in-memory `fetch` loop of 100',
    unit: '×',
    value: (r) => ratio(main(r)?.ours?.lines_per_s, main(r)?.fetch_loop?.lines_per_s),
    better: 'more',
  },
  {
    name: 'producing {producing} lines, start-up included, beside bare `addBulk`',
    unit: '×',
    value: (r) => ratio(r.producing?.ours.lines_per_s, r.producing?.add_bulk.lines_per_s),
    better: 'more',
    must: 2.5,
    aim: 5,
  },
  {
    name: 'reading, with checks and byte offsets, beside `split2` and `JSON.parse`',
    unit: '×',
    value: (r) => ratio(r.reading?.ours.lines_per_s, r.reading?.split2.lines_per_s),
    better: 'more',
  },
  {
    name: 'Redis per waiting line',
    unit: 'B',
    value: (r) => r.producing?.ours.bytes_per_waiting_line,
    floor: (r) => r.producing?.add_bulk.bytes_per_waiting_line,
    better: 'less',
    must: 200,
    aim: 60,
  },
  {
    name: 'Redis per task in flight beside the line’s own bytes, polled',
    unit: 'B',
    value: (r) => r.in_flight?.polled.bytes_beside_line,
    better: 'less',
    must: 120,
    aim: 60,
  },
  {
    name: 'the same with webhooks, their index included',
    unit: 'B',
    value: (r) => r.in_flight?.webhooks.bytes_beside_line,
    better: 'less',
    must: 120,
    aim: 60,
  },
  {
    name: 'Redis CPU per line, its main thread, from queue to result',
    unit: 'µs',
    value: (r) => main(r)?.ours?.redis_cpu_us_per_line,
    floor: (r) => main(r)?.bullmq?.redis_cpu_us_per_line,
    better: 'less',
    must: 80,
    aim: 40,
  },
  {
    name: 'Redis commands per line, those inside scripts counted',
    unit: '',
    value: (r) => main(r)?.ours?.redis_commands_per_line,
    floor: (r) => main(r)?.bullmq?.redis_commands_per_line,
    better: 'less',
    must: 14,
    aim: 8,
  },
  {
    name: 'process CPU per line, HTTP and start-up included',
    unit: 'µs',
    value: (r) => main(r)?.ours?.process_cpu_us_per_line,
    floor: (r) => main(r)?.bullmq?.process_cpu_us_per_line,
    better: 'less',
    must: 600,
    aim: 450,
  },
  {
    name: 'process memory at its peak, 1,000,000 lines',
    unit: 'MiB',
    value: (r) => million(r)?.process_peak_mib,
    better: 'less',
    must: 250,
    aim: 200,
  },
  {
    name: 'a run of one line, from the answer with its label to the end',
    unit: 'ms',
    value: (r) => r.one_line?.median.label_to_end_ms,
    better: 'less',
    must: 200,
  },
  {
    name: 'first submission after `run` starts, Redis warm',
    unit: 'ms',
    value: (r) => r.one_line?.median.first_submission_ms,
    floor: (r) => r.version?.median.node_ms,
    better: 'less',
    must: 700,
  },
  {
    name: '`--version` (the floor: `node -e 0`)',
    unit: 'ms',
    value: (r) => r.version?.median.version_ms,
    floor: (r) => r.version?.median.node_ms,
    better: 'less',
    must: 150,
  },
  {
    name: '`--version`, CPU (the floor: `node -e 0`)',
    unit: 'ms',
    value: (r) => r.version?.median.version_cpu_ms,
    floor: (r) => r.version?.median.node_cpu_ms,
    better: 'less',
  },
  {
    name: 'a run of one line, CPU of the whole command',
    unit: 'ms',
    value: (r) => r.one_line?.median.process_cpu_ms,
    better: 'less',
  },
  {
    name: '5 calls/s, 4 processes: the least busy one’s calls over an even share',
    unit: '×',
    value: (r) => r.low_rate?.least_share,
    better: 'more',
    must: 0.6,
  },
  {
    name: 'longest wait of a line while others back off, over the same without backoff',
    unit: '×',
    value: (r) => ratio(r.low_rate?.longest_wait_beside_backoff_s, r.low_rate?.longest_wait_s),
    better: 'less',
    must: 1.5,
  },
];
