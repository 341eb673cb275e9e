import type { ConsumerContext } from '../consumers/context.js';
import type { Waits } from '../lib/waits.js';

/** The parts that a process shares between its runs. `openPipeline` makes them; every stage takes those it needs. */
export interface Pipeline extends ConsumerContext {
  /** The Gateway's origin, `sandbox` for the local one. */
  origin: string;
  /** What this process waits for now (Redis, the Gateway, a source); the display shows it. */
  waits?: Waits;
}
