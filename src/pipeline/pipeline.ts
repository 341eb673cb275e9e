import type { ConsumerContext } from '../consumers/context.js';
import type { Waits } from '../lib/waits.js';

/** The parts that a process shares between its runs. `openPipeline` makes them; every stage takes those it needs. */
export interface Pipeline extends ConsumerContext {
  /** The Gateway's origin, `sandbox` for the local one. */
  origin: string;
  /** The outside part that this process waits for; the display shows it. */
  waits?: Waits;
}
