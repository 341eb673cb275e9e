import { type BudgetSnapshot, foundRate } from '../budget/index.js';

/** Lines for this time (ms) wait in a process for their slots. */
const AHEAD_MS = 2_000;

/**
 * How many lines of a queue a process should hold. At a low rate the first process would else take what all could
 * share, and a crash would keep a minute's lines from the others. Lines whose calls are out come on top of those that
 * wait, so a slow Gateway gets as many calls as the rate allows.
 *
 * @param consumers processes of the run that are alive
 * @param callMs how long calls take at present, ms
 * @param most what the process can hold at all
 */
export function linesInHand(
  budget: Pick<BudgetSnapshot, 'rate' | 'mode'>,
  consumers: number,
  callMs: number,
  most: number,
): number {
  const rate = foundRate(budget);
  if (rate === null) return most;
  const share = rate / Math.max(1, consumers);
  return Math.min(most, Math.max(1, Math.ceil((share * (AHEAD_MS + 2 * callMs)) / 1000)));
}
