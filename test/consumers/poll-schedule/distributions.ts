import {
  countSettled,
  type SettleObservations,
  type SettleTimes,
  settleTimes,
} from '../../../src/runs/settle-times.js';
import { randomFrom } from '../../../src/sandbox/random.js';

type Draw = (random: () => number) => number;

const gauss = (random: () => number) =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Settle times in ms. */
export const DISTRIBUTIONS = {
  'lognormal, median 30 s, p99 300 s': (random) => 30_000 * 10 ** (gauss(random) / 2.3263),
  'uniform, 10 to 60 s': (random) => 10_000 + random() * 50_000,
  'exponential, mean 60 s': (random) => -Math.log(1 - random()) * 60_000,
  'constant, 30 s': () => 30_000,
  'bimodal, 15 to 20 s or 5 to 6 min': (random) =>
    random() < 0.7 ? 15_000 + random() * 5_000 : 300_000 + random() * 60_000,
  'Pareto, from 10 s, 1.5': (random) => 10_000 * (1 - random()) ** (-1 / 1.5),
} satisfies Record<string, Draw>;

/** Settle times in ms of whole runs; `part`: how much of the run has been submitted, from 0 to 1. */
export const WORKLOADS = {
  ...DISTRIBUTIONS,
  'constant, 10 s': () => 10_000,
  'uniform, 1 to 3 s': (random) => 1_000 + random() * 2_000,
  'bimodal, 90% at 5 s, 10% at 120 s': (random) => (random() < 0.9 ? 5_000 : 120_000),
  'lognormal, median 10 s, from mid-run 60 s': (random, part) =>
    (part < 0.5 ? 10_000 : 60_000) * 10 ** (gauss(random) / 2.3263),
  'three types in turn: 5 s, 30 s, 3 to 5 min': (random, part) =>
    [5_000, 30_000, 180_000 + random() * 120_000][Math.floor(part * 3_000) % 3] ?? 0,
} satisfies Record<string, (random: () => number, part: number) => number>;

export type WorkloadName = keyof typeof WORKLOADS;
export type DistributionName = keyof typeof DISTRIBUTIONS;

export function draw(name: WorkloadName, count: number, seed = name as string): number[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, n) => WORKLOADS[name](random, n / count));
}

/** What a run has learned of tasks that took so long. */
export function learned(times: number[]): SettleTimes {
  const sightings: SettleObservations = new Map();
  for (const ms of times) countSettled(sightings, 0, ms);
  return settleTimes(sightings);
}

/** The tasks themselves, each for itself. */
export const exactly = (times: number[]): SettleTimes => ({
  times: times.toSorted((a, b) => a - b).map((ms) => ({ ms, count: 1 })),
  total: times.length,
  seenToMs: Math.max(...times),
});
