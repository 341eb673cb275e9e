import type { Range } from '../lib/range.js';

/** The expected end of a run, counted from its beginning. Null: not known yet. */
export interface Forecast {
  cost_sats: Range | null;
  calls: Range | null;
  /** For the whole run. */
  seconds: Range | null;
}

/** The planned figures of a run, by `plan` or a pilot, or by the run itself once it had seen enough. */
export interface Planned {
  by: 'plan' | 'pilot' | 'run';
  /** ISO 8601. */
  at: string;
  cost_sats: Range | null;
  calls: Range | null;
  seconds: Range | null;
}

/** How a run is expected to end, or how it ended compared with its first forecast. Field names are public. */
export interface RunForecast {
  planned: Planned | null;
  /** The present forecast; null once the run has ended. */
  expected: Expected | null;
  /** Null before the end. */
  actual: { cost_sats: number; calls: number; seconds: number } | null;
  /** The relative difference to the plan: 0.03 is 3% more. Null when either figure is not known. */
  off: Record<'cost_sats' | 'calls' | 'seconds', number | null> | null;
  /** Why there is no forecast yet. */
  unknown: string | null;
  /** From `--finish-by`. */
  finish_by: FinishBy | null;
}

export interface Expected extends Forecast {
  lines: Range | null;
  seconds_left: Range | null;
  /** The expected calls per second for the rest of the run. */
  calls_per_second: number | null;
  /** ISO 8601. */
  ends_at: string | null;
}

/** Whether a run will have ended by its `--finish-by`. */
export interface FinishBy {
  /** ISO 8601. */
  time: string;
  /** Null: not known yet. */
  kept: boolean | null;
  /** By how much it is expected to be late. */
  late_seconds: number | null;
  /** When the run will be late: what would help, in a sentence. */
  message: string | null;
}
