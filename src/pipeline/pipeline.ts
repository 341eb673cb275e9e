import type { ConsumerContext } from '../consumers/context.js';
import type { Waits } from '../lib/waits.js';

/** What a process shares between its runs. Made by `openPipeline`; every stage takes what it needs of it. */
export interface Pipeline extends ConsumerContext {
  /** The Gateway's origin, `sandbox` for the local one. */
  origin: string;
  /** What this process waits for outside of it; the display shows it. */
  waits?: Waits;
}
