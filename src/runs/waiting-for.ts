import type { BudgetSnapshot } from '../budget/index.js';
import { number } from '../lib/format.js';
import { iso } from './own-limits.js';
import type { RunReading } from './read-status.js';
import type { RunStatus } from './status.js';

/** Shorter pauses come and go unseen. */
const SHOWN_PAUSE_MS = 1_000;
const SHOWN_LATENESS_MS = 30_000;

const DAY_MS = 86_400_000;

/** The wait of a run that is neither paused nor blocked; limits of the user's own are in the status already. */
export function waitingForOf(
  { record, status, unflushed, nowMs }: RunReading,
  { circuitOpen, pausedForMs, quota }: BudgetSnapshot,
): Pick<RunStatus, 'waiting_for' | 'message' | 'waiting_until'> | null {
  if (record.state !== 'running') return null;
  if (circuitOpen)
    return { waiting_for: 'gateway', message: 'the Gateway answers nothing but errors', waiting_until: null };
  if (pausedForMs > SHOWN_PAUSE_MS)
    return {
      waiting_for: 'rate',
      message: `the Gateway asks for a pause of ${Math.ceil(pausedForMs / 1000)} s`,
      waiting_until: iso(nowMs + pausedForMs),
    };
  if (quota !== null && quota.wait > SHOWN_PAUSE_MS && status.waiting_for === null) {
    const isDay = quota.perMs === DAY_MS;
    const until = iso(Math.ceil((nowMs + quota.wait) / 1000) * 1000);
    return {
      waiting_for: isDay ? 'day' : 'rate',
      message: `the ${number(quota.calls)} calls that --rate allows ${isDay ? 'a day' : 'an hour'} are used up; goes on at ${until}`,
      waiting_until: until,
    };
  }
  if (unflushed.oldestMs > record.policy.partAgeMs + SHOWN_LATENESS_MS)
    return { waiting_for: 'sink', message: `results wait for ${record.out}`, waiting_until: null };
  return null;
}
