/** What one run of the bench measured, as its JSON holds it: medians of the rounds. */
import type { Contender, EndToEnd } from '../figures/end-to-end.js';
import type { InFlight } from '../figures/in-flight.js';
import type { OneLine, VersionTime } from '../figures/latency.js';
import type { LowRate } from '../figures/low-rate.js';
import type { Producing } from '../figures/producing.js';
import type { Profile } from '../figures/profile.js';
import type { LinesPoint } from '../growth/lines.js';
import type { ProcessesPoint } from '../growth/processes.js';

export interface Results {
  measured: {
    at: string;
    form: 'full' | 'quick';
    node: string;
    redis: string;
    cpus: number;
    /** Of one minute, at the beginning and at the end: what else the machine did. */
    load: [number, number];
    seconds: number;
  };
  /** By the number of lines. */
  end_to_end?: Record<string, Partial<Record<Contender, EndToEnd>>>;
  producing?: { lines: number; ours: Producing; add_bulk: Producing };
  in_flight?: { polled: InFlight; webhooks: InFlight };
  one_line?: { median: OneLine; least: OneLine };
  version?: { median: VersionTime; least: VersionTime };
  low_rate?: LowRate;
  reading?: { lines: number; ours: { lines_per_s: number }; split2: { lines_per_s: number } };
  profile?: Profile;
  growth?: { lines: LinesPoint[]; in_flight: InFlight[]; processes: ProcessesPoint[] };
}

export const SECTIONS = [
  'end_to_end',
  'producing',
  'in_flight',
  'one_line',
  'version',
  'low_rate',
  'reading',
  'profile',
  'growth',
] as const satisfies readonly (keyof Results)[];

export type Section = (typeof SECTIONS)[number];

/** How many lines went end to end: the smaller size has all floors, and gives the costs per line. */
export function sizesOf(results: Results): { small?: number; large?: number } {
  const [small, large] = Object.keys(results.end_to_end ?? {})
    .map(Number)
    .sort((a, b) => a - b);
  return { ...(small === undefined ? {} : { small }), ...(large === undefined ? {} : { large }) };
}

export const smallest = (results: Results) => results.end_to_end?.[sizesOf(results).small ?? 0];
