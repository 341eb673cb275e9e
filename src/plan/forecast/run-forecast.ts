import { higherThreshold, thresholdOr } from '../../config/escalation-condition.js';
import { exactly, type Range, whole, within } from '../../lib/range.js';
import { LINE_PROBLEMS } from '../../manifest/types.js';
import type { Expected, Forecast, Planned, RunForecast } from '../../runs/forecast.js';
import type { RunReading } from '../../runs/read-status.js';
import { boughtLines } from '../../runs/status.js';
import { forecastRun, type SoFar } from '../forecast.js';
import { callsOf } from '../history.js';
import { MIN_LINES } from '../min-lines.js';
import { steadyPolls } from '../polling-forecast.js';
import type { Known } from './facts.js';
import { checkFinishBy } from './finish-by.js';
import type { SecondTasksSoFar } from './second-tasks-so-far.js';

/** Failures of lines that were never sent. */
const REJECTIONS = [...LINE_PROBLEMS, 'key_conflict'];
/** Error bound of the mean length of the coming lines, as a share. */
const LENGTH_ERROR = 0.1;
/** The run's mean rate is used, unless the present rate differs from it by this share. */
const SAME_PACE = 1 / 3;
/** In its first seconds a process reports a rate that is not its usual one, s. */
const FIRST_SECONDS = 5;

/** A pure function of the run's counts and of what else is known. Reads nothing from Redis. */
export function forecastOf(reading: RunReading, known: Known): RunForecast {
  const { record, status } = reading;
  const { planned } = known;
  const ended = record.endedAt === null ? null : endOf(reading);
  if (ended !== null)
    return {
      planned,
      expected: null,
      actual: ended,
      off: offOf(planned, ended),
      unknown: null,
      finish_by: null,
    };
  const lines = linesOf(reading);
  const soFar = lines === null ? null : soFarOf(reading, lines);
  const outlook = soFar === null ? null : outlookOf(reading, soFar, known);
  const own = soFar === null || outlook === null ? NOT_KNOWN : forecastRun(soFar, outlook);
  const elapsed = elapsedSeconds(reading);
  const goesOn = status.state === 'running';
  const seconds = own.seconds ?? planned?.seconds ?? null;
  const left = seconds === null || !goesOn ? null : less(seconds, elapsed);
  const cost = own.cost_sats ?? planned?.cost_sats ?? null;
  const calls = own.calls ?? planned?.calls ?? null;
  const expected: Expected = {
    lines: lines === null ? null : whole(lines),
    cost_sats: cost === null ? null : whole(cost),
    calls: calls === null ? null : whole(calls),
    seconds: left === null ? null : whole(plusSeconds(left, elapsed)),
    seconds_left: left === null ? null : whole(left),
    calls_per_second: outlook?.callsPerSecond == null ? null : Number(outlook.callsPerSecond.toFixed(2)),
    ends_at: left === null ? null : new Date(reading.nowMs + left.expected * 1000).toISOString(),
  };
  return {
    planned,
    expected,
    actual: null,
    off: null,
    unknown: left === null ? whyUnknown(reading, lines) : null,
    finish_by: checkFinishBy(reading, expected, soFar, known),
  };
}

const NOT_KNOWN: Forecast = { cost_sats: null, calls: null, seconds: null };

const plusSeconds = ({ expected, low, high }: Range, n: number): Range => ({
  expected: expected + n,
  low: low + n,
  high: high + n,
});
const less = ({ expected, low, high }: Range, n: number): Range => ({
  expected: Math.max(0, expected - n),
  low: Math.max(0, low - n),
  high: Math.max(0, high - n),
});

export const elapsedSeconds = ({ record, nowMs }: RunReading): number =>
  Math.max(0, (nowMs - Date.parse(record.startedAt)) / 1000);

function endOf({ record, status }: RunReading) {
  const seconds = (Date.parse(record.endedAt ?? '') - Date.parse(record.startedAt)) / 1000;
  return { cost_sats: status.cost_sats, calls: callsOf(status.gateway_calls), seconds: Math.max(0, seconds) };
}

function offOf(planned: Planned | null, actual: NonNullable<RunForecast['actual']>): RunForecast['off'] {
  if (planned === null) return null;
  const off = (range: Range | null, was: number) =>
    range === null || range.expected === 0 ? null : Number((was / range.expected - 1).toFixed(4));
  return {
    cost_sats: off(planned.cost_sats, actual.cost_sats),
    calls: off(planned.calls, actual.calls),
    seconds: off(planned.seconds, actual.seconds),
  };
}

/**
 * The expected number of lines while the manifest is being read: by the share of its bytes read so far. Null when the
 * size says nothing.
 */
export function linesOf({ record, status, read }: RunReading): Range | null {
  if (status.produced) return exactly(read.lines);
  if (record.pilot !== undefined) return exactly(record.pilot.lines + (record.manifest.gold?.lines ?? 0));
  const { bytes } = record.manifest;
  // More bytes were read than the source has: it is compressed.
  if (bytes === undefined || bytes === null || read.bytes > bytes || read.lines < MIN_LINES) return null;
  const more = Math.max(0, bytes - read.bytes) / (read.bytes / read.lines);
  const { expected, low, high } = within(more, more * LENGTH_ERROR);
  return { expected: read.lines + expected, low: read.lines + low, high: read.lines + high };
}

function soFarOf(reading: RunReading, lines: Range): SoFar {
  const { status, read, present } = reading;
  const polls = Object.values(status.gateway_calls.result ?? {}).reduce((sum, n) => sum + n, 0);
  // Lines that an earlier run has settled end without a call, like rejected lines.
  const known = status.unchanged + status.carried;
  return {
    lines,
    read: read.lines,
    settled: boughtLines(status),
    failed: status.failed + known,
    rejected: REJECTIONS.reduce((sum, code) => sum + (status.failures[code] ?? 0), known),
    // Admitted lines that still wait for a slot are not submitted yet.
    inFlight: Math.max(0, status.in_flight - present.submitting),
    costSats: status.cost_sats,
    secondTasks: secondTasksSoFar(reading),
    calls: callsOf(status.gateway_calls),
    polls,
    elapsedSeconds: elapsedSeconds(reading),
  };
}

function secondTasksSoFar({
  record: { task },
  status: { escalated },
  envelope,
}: RunReading): SecondTasksSoFar | null {
  if (escalated === null) return null;
  const asked = thresholdOr(task.consensusThreshold);
  return {
    ended: escalated.lines,
    answered: escalated.lines - escalated.failed,
    out: envelope.again,
    costSats: escalated.cost_sats,
    priceRatio: (higherThreshold(asked) ?? asked) / asked,
  };
}

function outlookOf(reading: RunReading, soFar: SoFar, { settle, rate, quota }: Known) {
  const { policy } = reading.record;
  const callsPerSecond = paceOf(reading, soFar, rate);
  return {
    price: null,
    callsPerSecond,
    pollsPerLabel:
      settle === null || policy.poll === 'fixed' ? null : steadyPolls(settle, policy, callsPerSecond ?? 1),
    settle,
    maxInFlight: policy.maxInFlight,
    quota,
  };
}

/** The present rate for a run with lines to submit; the allowed rate for a run that only waits. */
function paceOf(
  { status, present }: RunReading,
  { calls, elapsedSeconds: elapsed }: SoFar,
  rate: number | null,
) {
  const mean = elapsed > 0 ? calls / elapsed : 0;
  if (status.queued === 0) return rate ?? (Math.max(mean, present.callsPerSecond) || null);
  if (elapsed < FIRST_SECONDS || present.callsPerSecond === 0) return rate ?? (mean || null);
  const now = Math.abs(present.callsPerSecond - mean) <= SAME_PACE * mean ? mean : present.callsPerSecond;
  return rate === null ? now : Math.min(now, rate);
}

function whyUnknown({ status }: RunReading, lines: Range | null): string {
  if (status.state !== 'running') return 'the run stands still';
  if (lines === null)
    return 'the manifest is still being read, and its size does not tell how many lines it has';
  return 'too few lines have settled to tell';
}
