import type { Planned } from '../../runs/forecast.js';
import type { SettleTimes } from '../../runs/settle-times.js';

/** The known facts of a run beside its counts. */
export interface Known {
  planned: Planned | null;
  settle: SettleTimes | null;
  /** Calls per second now allowed to the key; null: not limited, or not asked for. */
  rate: number | null;
  /** The longer window of `--rate` that is next to be used up. */
  quota: { calls: number; perMs: number } | null;
  /** The setter of the limit. */
  limitedBy: 'user' | 'gateway' | null;
}

export const NOTHING_KNOWN: Known = { planned: null, settle: null, rate: null, quota: null, limitedBy: null };
