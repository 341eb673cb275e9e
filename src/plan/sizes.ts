import { type Range, whole } from '../lib/range.js';
import type { RunPolicy } from '../runs/record.js';

/**
 * Bytes in Redis beside the line's text: for a line that waits, for a task in flight. Similar lines compress to a
 * quarter.
 */
const WAITING = { low: 40, high: 130 };
const IN_FLIGHT = { low: 60, high: 200 };
/** The bits of a line that has ended. */
const ENDED_BITS = 2;
/** The record, counters and history of a run. */
const FIXED = 300_000;
/** The bytes that a result adds to its line: ids, label, times. */
const RESULT_BYTES = 350;

export interface Sizes {
  lines: number;
  tasks: number;
  /** Mean bytes of a line. */
  lineBytes: number;
  /** The bytes of the whole run; null when unknown. */
  seconds: Range | null;
  /** Most tasks in flight at a time, where that is known. */
  inFlight: number | null;
}

/** The run's peak memory in Redis. It depends on the windows, not on the manifest's length. */
export function redisBytes(policy: RunPolicy, { lines, tasks, lineBytes, seconds, inFlight }: Sizes): Range {
  const waiting = Math.min(tasks, policy.maxQueued);
  const linesInFlight = Math.min(tasks, policy.maxInFlight, inFlight ?? policy.maxInFlight);
  const results = tasks * (lineBytes + RESULT_BYTES);
  // A part is closed by age before it is full, where results come slowly.
  const byAge =
    seconds === null ? results : (results * policy.partAgeMs) / 1000 / Math.max(1, seconds.expected);
  const unflushed = Math.min(results, policy.partSizeBytes, byAge);
  const bits = (lines * ENDED_BITS) / 8 + FIXED;
  const low = waiting * (WAITING.low + lineBytes / 4) + linesInFlight * (IN_FLIGHT.low + lineBytes / 4);
  const high = waiting * (WAITING.high + lineBytes) + linesInFlight * (IN_FLIGHT.high + lineBytes);
  return whole({
    expected: (low + high) / 2 + unflushed + bits,
    low: low + bits,
    high: high + Math.min(results, policy.partSizeBytes) + bits,
  });
}

/** Parts that the run leaves: closed by size, by age, and at its end. */
export function partsOf(policy: RunPolicy, sizes: Sizes, rejected: number): Range {
  const { tasks, lineBytes, seconds } = sizes;
  if (tasks === 0 && rejected === 0) return { expected: 0, low: 0, high: 0 };
  const bySize = Math.ceil((tasks * (lineBytes + RESULT_BYTES)) / policy.partSizeBytes);
  const aged = (n: number) => Math.ceil((n * 1000) / policy.partAgeMs);
  const results = (n: number | undefined) =>
    Math.max(bySize, n === undefined ? 1 : aged(n), tasks > 0 ? 1 : 0);
  const failures = rejected > 0 ? 1 : 0;
  return {
    expected: results(seconds?.expected) + failures,
    low: bySize + failures,
    high: 2 * results(seconds?.high) + failures,
  };
}
