import type { Fault } from './faults/fault.js';
import { type Random, seeded } from './parts/random.js';

export interface Step {
  faults: Fault[];
  /** Time without faults before the step, ms. */
  gapMs: number;
  /** Time from the faults to their healing, ms. */
  holdMs: number;
}

/** A round, as it follows from its seed. Times in ms. */
export interface Plan {
  seed: string;
  lines: number;
  /** Whether the manifest is read over HTTP. */
  http: boolean;
  sourceMs: number;
  fsync: 'always' | 'everysec';
  settleMs: number;
  rate: number;
  gatewayRate: number | null;
  concurrency: number;
  maxQueued: number;
  maxInFlight: number;
  partSize: string;
  compress: boolean;
  key: 'line' | 'content';
  webhooks: 'off' | 'on' | 'trusted';
  /** `work` processes beside `run`. */
  workers: number;
  /** The manifest is enqueued by `produce` before `run` joins. */
  produceFirst: boolean;
  /** After this step the run is cancelled, and then retried; null for a run that is not. */
  cancelAfter: number | null;
  /** The same command once more at the end, and after `runs --prune`. */
  again: 'no' | 'run' | 'prune';
  steps: Step[];
}

export interface PlanLimits {
  minLines: number;
  maxLines: number;
  steps: number;
}

/** Whether another fault is done at the same time, to something else; then whether a third is, and so on. */
const BESIDE = 0.5;
/** A step takes about so long, with its fault and what comes after it: least and most. */
const STEP_S: [number, number] = [1, 3];

export function makePlan(seed: string, faults: readonly Fault[], limits: PlanLimits): Plan {
  const random = seeded(seed);
  const lines = random.int(limits.minLines, limits.maxLines);
  const http = random.chance(0.4);
  const workers = random.pick([0, 1, 1, 2]);
  // A line takes two calls or a few more. Without a fault the round would be over before its last steps.
  const rate = Math.ceil((lines * 2.5) / (limits.steps * random.int(...STEP_S)));
  const cancelled = random.chance(0.15);
  const plan: Omit<Plan, 'steps'> = {
    ...{ seed, lines, http, workers, rate },
    sourceMs: random.int(5_000, 20_000),
    fsync: random.pick(['always', 'everysec']),
    settleMs: random.pick([100, 500, 2_000]),
    gatewayRate: random.chance(0.3) ? rate : null,
    concurrency: random.pick([10, 50, 200]),
    maxQueued: random.pick([50, 200, 1_000]),
    maxInFlight: random.pick([50, 200, 1_000]),
    partSize: random.pick(['16KiB', '64KiB', '1MiB']),
    compress: random.chance(0.2),
    key: random.chance(0.25) ? 'content' : 'line',
    webhooks: random.pick(['off', 'off', 'on', 'trusted']),
    produceFirst: workers > 0 && random.chance(0.3),
    cancelAfter: cancelled ? random.int(1, Math.max(1, limits.steps - 2)) : null,
    again: random.pick(['no', 'no', 'run', 'prune']),
  };
  const fitting = faults.filter((fault) => fault.fits?.(plan) ?? true);
  return { ...plan, steps: Array.from({ length: limits.steps }, () => makeStep(random, fitting)) };
}

function makeStep(random: Random, faults: readonly Fault[]): Step {
  const chosen = [random.weighted(faults, (fault) => fault.weight ?? 1)];
  while (random.chance(BESIDE)) {
    const others = faults.filter((fault) => chosen.every(({ at }) => at !== fault.at));
    if (others.length === 0) break;
    chosen.push(random.weighted(others, (fault) => fault.weight ?? 1));
  }
  const holds = chosen.map(({ lastsMs: [least, most] }) => random.int(least, most));
  return { faults: chosen, gapMs: random.int(50, 500), holdMs: Math.max(...holds) };
}
