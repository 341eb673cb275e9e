import type { BudgetSnapshot } from '../budget/index.js';
import type { RunReading } from './read-status.js';
import type { RunStatus } from './status.js';

/** Shorter pauses come and go unseen. */
const SHOWN_PAUSE_MS = 1_000;
const SHOWN_LATENESS_MS = 30_000;

/** What keeps a run from going on that is neither paused nor blocked. */
export function waitOf(
  { record, unflushed }: RunReading,
  { circuitOpen, pausedForMs }: BudgetSnapshot,
): Pick<RunStatus, 'waiting_for' | 'message'> | null {
  if (record.state !== 'running') return null;
  if (circuitOpen) return { waiting_for: 'gateway', message: 'the Gateway answers nothing but errors' };
  if (pausedForMs > SHOWN_PAUSE_MS)
    return {
      waiting_for: 'rate',
      message: `the Gateway asks for a pause of ${Math.ceil(pausedForMs / 1000)} s`,
    };
  if (unflushed.oldestMs > record.policy.partAgeMs + SHOWN_LATENESS_MS)
    return { waiting_for: 'sink', message: `results wait for ${record.out}` };
  return null;
}
