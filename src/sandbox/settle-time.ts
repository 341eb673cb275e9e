import type { SandboxOptions } from './options.js';
import { between, randomFrom } from './random.js';

type Settling = Pick<SandboxOptions, 'seed' | 'settle' | 'disagreeRate' | 'disagreeMs'>;

/** The 99th percentile of the standard normal distribution. */
const Z99 = 2.3263;
/** Timers hold no longer wait. */
const MOST_MS = 2 ** 31 - 1;

/** How long a task takes from submission to settled, in whole ms; it follows from the seed and `identity`. */
export function settleMs(options: Settling, identity: string): number {
  const random = randomFrom(`${options.seed} settle ${identity}`);
  const agreed =
    'minMs' in options.settle ? between(options.settle, random) : lognormal(options.settle, random);
  const disagreed = random() < options.disagreeRate ? options.disagreeMs : 0;
  return Math.min(MOST_MS, Math.round(agreed + disagreed));
}

function lognormal({ medianMs, p99Ms }: { medianMs: number; p99Ms: number }, random: () => number): number {
  const z = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return medianMs * (p99Ms / medianMs) ** (z / Z99);
}
