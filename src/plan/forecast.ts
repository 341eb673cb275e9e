import { exactly, plus, type Range } from '../lib/range.js';
import type { Forecast } from '../runs/forecast.js';
import { quantile, type SettleTimes } from '../runs/settle-times.js';
import {
  costOfSecondTasks,
  type SecondTasksSoFar,
  secondTasksToCome,
} from './forecast/second-tasks-so-far.js';
import { MIN_LINES } from './min-lines.js';
import { longestMs, meanSeconds, seenShare } from './polling-forecast.js';
import { costOfLabels, type Price } from './price.js';

/** The present counts of a run, from its record. */
export interface SoFar {
  /** Lines of the manifest, blank ones excepted; a range while it is still being read. */
  lines: Range;
  /** The bytes read so far. */
  read: number;
  settled: number;
  failed: number;
  /** The failed lines that were rejected as they were read, without a call. */
  rejected: number;
  /** Tasks that the Gateway has accepted and that have not settled. */
  inFlight: number;
  costSats: number;
  /** Null without `--escalate`. */
  secondTasks: SecondTasksSoFar | null;
  /** Gateway calls. */
  calls: number;
  /** Result calls among them. */
  polls: number;
  /** Since it began. */
  elapsedSeconds: number;
}

export interface Outlook {
  /** Price of a label, known from other runs; null: only this run's own figures count. */
  price: Price | null;
  /** Present calls per second; null: the mean so far is used. */
  callsPerSecond: number | null;
  /** Expected polls for each coming label, from the known settle times; null: as many as so far. */
  pollsPerLabel: number | null;
  settle: SettleTimes | null;
  maxInFlight: number;
  /** The longer window of `--rate` that limits calls; null: there is none. */
  quota: { calls: number; perMs: number } | null;
}

/** Error bound of the pace: it varies during a run. */
const PACE_ERROR = 0.1;
/** A result is polled on average this much later than it settles. */
const LATE = 1.1;

/** A pure function: the same counts give the same forecast. */
export function forecastRun(soFar: SoFar, outlook: Outlook): Forecast {
  const called = soFar.settled + soFar.failed - soFar.rejected;
  const left = linesLeft(soFar, called);
  const { secondTasks } = soFar;
  const secondTasksLeft = secondTasksToCome(secondTasks, left, called);
  // A line that is asked again is two tasks to submit and to collect.
  const tasks = plus(left, secondTasksLeft);
  const collected = called + (secondTasks === null ? 0 : secondTasks.ended + secondTasks.out);
  const polls = pollsPerLabel(soFar, outlook, collected);
  const calls = callsForecast(soFar, tasks, collected, polls);
  const toDo = { left: tasks, called: collected, twice: Math.min(1, secondTasksLeft.expected) };
  const seconds =
    calls === null || polls === null ? null : timeForecast(soFar, outlook, { ...toDo, calls, polls });
  return {
    cost_sats: costForecast(soFar, outlook, { left, secondTasksLeft, called }),
    calls,
    seconds: left.high === 0 ? exactly(soFar.elapsedSeconds) : seconds,
  };
}

/**
 * Lines that still need calls. Read lines that were rejected need none; the same share of the unread lines will be
 * rejected.
 */
function linesLeft({ lines, read, rejected }: SoFar, called: number): Range {
  const known = Math.max(0, read - rejected - called);
  const share = read > 0 ? 1 - rejected / read : 1;
  const of = (n: number) => known + Math.max(0, n - read) * share;
  return { expected: of(lines.expected), low: of(lines.low), high: of(lines.high) };
}

/** Failed lines cost nothing. The share of coming lines that fails is the share so far. */
function costForecast(
  soFar: SoFar,
  { price }: Outlook,
  { left, secondTasksLeft, called }: { left: Range; secondTasksLeft: Range; called: number },
): Range | null {
  const firstSats = soFar.costSats - (soFar.secondTasks?.costSats ?? 0);
  const own: Price | null =
    soFar.settled >= MIN_LINES && firstSats > 0
      ? { value: firstSats / soFar.settled, source: 'history', labels: soFar.settled, spread: 0 }
      : null;
  const used = own ?? price;
  if (left.high === 0) return exactly(soFar.costSats);
  if (used === null) return null;
  const settles = called >= MIN_LINES ? soFar.settled / called : 1;
  const chance = called >= MIN_LINES ? 2 * Math.sqrt((settles * (1 - settles)) / called) : 0;
  const more = costOfLabels(used, {
    expected: left.expected * settles,
    low: left.low * Math.max(0, settles - chance),
    high: left.high * Math.min(1, settles + chance),
  });
  return plus(
    exactly(soFar.costSats),
    plus(more, costOfSecondTasks(soFar.secondTasks, secondTasksLeft, used)),
  );
}

/** While most tasks are still in flight, the polls so far belong to them. They do not tell the polls for each label. */
function pollsPerLabel({ polls, inFlight }: SoFar, outlook: Outlook, called: number): number | null {
  const own = called >= MIN_LINES && called * 4 >= inFlight ? polls / called : null;
  if (own === null || outlook.pollsPerLabel === null) return outlook.pollsPerLabel ?? own;
  return Math.min(own, outlook.pollsPerLabel);
}

function callsForecast(soFar: SoFar, left: Range, called: number, polls: number | null): Range | null {
  if (left.high === 0) return exactly(soFar.calls);
  if (polls === null) return null;
  // Other calls (429s, lost answers) go on at the same rate.
  const useful = soFar.polls + called + soFar.inFlight;
  const wasted = called >= MIN_LINES ? Math.max(0, soFar.calls - useful) / called : 0;
  const of = (lines: number) => soFar.calls + Math.max(0, lines - soFar.inFlight) + lines * (polls + wasted);
  const error = left.expected * polls * PACE_ERROR;
  return {
    expected: of(left.expected),
    low: Math.max(soFar.calls, of(left.low) - error),
    high: of(left.high) + error,
  };
}

/** The tasks that are left, second tasks included. */
interface ToDo {
  left: Range;
  calls: Range;
  called: number;
  polls: number;
  /** The probability that the last lines get a second task, 0 to 1. */
  twice: number;
}

function timeForecast(
  soFar: SoFar,
  outlook: Outlook,
  { left, calls, called, polls, twice }: ToDo,
): Range | null {
  if (called < MIN_LINES) return null;
  const own =
    soFar.elapsedSeconds > 0 && soFar.calls >= MIN_LINES ? soFar.calls / soFar.elapsedSeconds : null;
  const made = outlook.callsPerSecond ?? own;
  if (made === null || made <= 0) return null;
  const { settle, maxInFlight, quota } = outlook;
  // Lines that do not fit into one window wait for the next windows.
  const fits = quota === null || calls.expected - soFar.calls <= quota.calls;
  const pace = fits ? made : Math.min(made, (quota.calls * 1000) / quota.perMs);
  const { inFlight } = soFar;
  const after = (
    lines: number,
    total: number,
    perSecond: number,
    waits: (share: number) => number,
  ): number => {
    const toSubmit = Math.max(0, lines - inFlight);
    const seconds = (total - soFar.calls) / perSecond;
    if (settle === null) return seconds;
    const mean = LATE * meanSeconds(settle);
    // Little's law gives the number in flight when the last line is submitted.
    const flow = (perSecond / (1 + polls)) * mean;
    const inFlightThen = Math.min(Math.max(inFlight, flow), called + lines, maxInFlight);
    const longest = waits(1 - 1 / (1 + Math.min(inFlightThen, called + lines))) + twice * mean;
    if (toSubmit === 0) return Math.max(seconds, longest - waits(1 - inFlight / Math.max(1, inFlightThen)));
    const last = inFlightThen * polls;
    const submitting = Math.max((seconds * perSecond - last) / perSecond, (toSubmit * mean) / maxInFlight);
    return Math.max(0, submitting) + Math.max(longest, last / perSecond);
  };
  const clamped = (share: number) =>
    settle === null ? 0 : (LATE * Math.min(quantile(settle, share), longestMs(settle))) / 1000;
  const unclamped = (share: number) => (settle === null ? 0 : (LATE * quantile(settle, share)) / 1000);
  const more = after(left.expected, calls.expected, pace, clamped);
  if (settle !== null && seenShare(settle) < 0.5 && clamped(0.9) > 0.3 * more) return null;
  return {
    expected: soFar.elapsedSeconds + more,
    low:
      soFar.elapsedSeconds + after(left.low, calls.low, pace * (1 + PACE_ERROR), clamped) * (1 - PACE_ERROR),
    high:
      soFar.elapsedSeconds +
      after(left.high, calls.high, pace * (1 - PACE_ERROR), unclamped) * (1 + PACE_ERROR),
  };
}
