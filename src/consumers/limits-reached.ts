import { number } from '../lib/format.js';
import { tooManyFailures } from '../results/write-summary.js';
import { goldErrorsMessage, tooManyGoldErrors } from '../runs/gold.js';
import type { RunReading } from '../runs/read-status.js';
import { type BlockReason, endedLines } from '../runs/status.js';

/** Checks in a row that must find no call out, over a time in which each process has reported twice. */
const LOOKS = 3;
const QUIET_MS = 2_500;
/** A reservation whose call is made again and again is not waited for any longer. */
const LONGEST_MS = 30_000;

/**
 * Checks whether lines wait for more than `--budget` allows, and no call is out that may give some back. A line that
 * was bought before gives some back.
 */
export function createTaskCapWatch(now: () => number = Date.now): (reading: RunReading) => boolean {
  let looks = 0;
  let quietSince = 0;
  let since = now();
  return (reading) => {
    const { state, policy } = reading.record;
    const { present, bought } = reading;
    if (state !== 'running' || policy.budget === null || bought < policy.budget || !linesWait(reading)) {
      looks = 0;
      since = now();
      return false;
    }
    const callsAreOut = present.submitting > 0;
    if (looks === 0) quietSince = now();
    looks = callsAreOut ? 0 : looks + 1;
    return (looks >= LOOKS && now() - quietSince >= QUIET_MS) || now() - since > LONGEST_MS;
  };
}

/** Lines wait, no label more fits into `--spend`, and no task is out that may cost less than is reserved for it. */
function spendLimitReached(reading: RunReading): boolean {
  const { spent } = reading.envelope;
  return reading.record.state === 'running' && (spent === 'run' || spent === 'never') && linesWait(reading);
}

/** The cause of the block, and how to continue. */
function spendLimitMessage({ envelope, record: { id, policy } }: RunReading): string {
  const { spent, paid, reserved, price } = envelope;
  const label = price === null ? '' : `, a label may cost ${number(price)}`;
  const goOn = (option: string) =>
    `\`asg-ingest tune ${id} ${option} <more>\`, or run again with a larger ${option}`;
  if (spent === 'never')
    return `--spend-per-day allows ${number(policy.spendPerDay ?? 0)} sats${label}: none fits into a day; ${goOn('--spend-per-day')}`;
  const held = reserved > 0 ? `, ${number(reserved)} held for tasks that failed and may be paid for` : '';
  return `${number(paid)} of ${number(policy.spend ?? 0)} sats of --spend are spent${held}${label}; ${goOn('--spend')}`;
}

/** Jobs that a killed process left may be of lines that were bought, or have ended: none of those needs a budget. */
function linesWait({ status, jobs }: RunReading): boolean {
  if (!status.produced) return jobs.submit > 0;
  return status.lines > endedLines(status) + status.in_flight;
}

/** Results that no process can make durable: past this many parts' worth the run blocks. */
const UNFLUSHED_PARTS = 4;

/** Which limit of a running run is passed, and how it goes on; null: none. */
export function createLimitWatch(now?: () => number) {
  const taskCapReached = createTaskCapWatch(now);
  return (reading: RunReading): { reason: BlockReason; message: string } | null => {
    // Called each time: it counts checks.
    const noTaskIsLeft = taskCapReached(reading);
    const { record, status, unflushed, bought } = reading;
    const { policy } = record;
    if (record.state !== 'running') return null;
    if (tooManyFailures(reading))
      return {
        reason: 'failures',
        message: `${status.failed} lines have failed, more than --max-failures allows; see failures-*.jsonl, then run again with a larger limit`,
      };
    if (status.gold !== null && tooManyGoldErrors(status.gold, policy.maxGoldErrors))
      return { reason: 'gold', message: goldErrorsMessage(record.id, status.gold) };
    if (noTaskIsLeft)
      return {
        reason: 'budget',
        message: `${bought} tasks have been bought, as many as --budget allows; run again with a larger one`,
      };
    if (spendLimitReached(reading)) return { reason: 'spend', message: spendLimitMessage(reading) };
    if (unflushed.bytes > UNFLUSHED_PARTS * policy.partSizeBytes + (64 << 20))
      return {
        reason: 'sink',
        message: `no process that sees ${record.out} takes the results; start one there, then resume`,
      };
    return null;
  };
}
