import { number, span } from '../../lib/format.js';
import type { Expected, FinishBy } from '../../runs/forecast.js';
import type { RunReading } from '../../runs/read-status.js';
import type { SoFar } from '../forecast.js';
import type { Known } from './facts.js';

/** Two forecasts of the same run differ by about this share. Less lateness is not reported. */
const SLACK_SHARE = 0.02;

export function checkFinishBy(
  { record, status, nowMs }: RunReading,
  expected: Expected,
  soFar: SoFar | null,
  known: Known,
): FinishBy | null {
  const { finishBy: time = null } = record.policy;
  if (time === null) return null;
  const hasSeconds = (Date.parse(time) - nowMs) / 1000;
  const needsSeconds = expected.seconds_left?.expected ?? null;
  // When the time has passed, the run is late in any case.
  const late = needsSeconds === null ? (hasSeconds < 0 ? -hasSeconds : null) : needsSeconds - hasSeconds;
  if (late === null) return { time, kept: null, late_seconds: null, message: null };
  if (late <= SLACK_SHARE * (needsSeconds ?? 0)) return { time, kept: true, late_seconds: 0, message: null };
  const about = needsSeconds === null ? 'it is over' : `about ${span(late)} late`;
  const way =
    hasSeconds <= 0 ? 'a later time' : howToFinishInTime(hasSeconds, { status, expected, soFar, known });
  return {
    time,
    kept: false,
    late_seconds: Math.round(late),
    message: `the run will not have ended by ${time}: ${about}. What would make it: ${way}`,
  };
}

/** When the present rate is under this share of the limit, something else than the limit slows the run. */
const UNDER_LIMIT = 0.8;
/** With more calls than this for each submission, labels come by polls. */
const POLLED = 1.5;

function howToFinishInTime(
  hasSeconds: number,
  {
    status,
    expected,
    soFar,
    known,
  }: Pick<RunReading, 'status'> & { expected: Expected; soFar: SoFar | null; known: Known },
): string {
  const { calls, seconds_left: left, calls_per_second: pace } = expected;
  if (status.state !== 'running') return 'that it goes on';
  if (calls === null || left === null || soFar === null || pace === null) return 'a later time';
  const callsLeft = calls.expected - soFar.calls;
  if (status.queued === 0)
    return 'a later time: everything is submitted, and the labels take as long as they take';
  // The last labels take their time, however many calls are made.
  const has = hasSeconds - Math.max(0, left.expected - callsLeft / pace);
  if (has <= 0) return 'a later time: the last labels alone take longer';
  const needs = `${number(Math.ceil((callsLeft / has) * 10) / 10)} calls/s`;
  if (known.rate === null || pace < UNDER_LIMIT * known.rate)
    return `${needs}, where now ${number(pace)} are made: more processes (\`asg-ingest work\`), on another machine if this one is busy`;
  if (known.limitedBy === 'user')
    return `${needs}, where --rate or \`asg-ingest rate\` allow ${number(known.rate)}`;
  const toSubmit = (expected.lines?.expected ?? 0) - soFar.settled - soFar.failed - soFar.inFlight;
  const polled = callsLeft > POLLED * toSubmit;
  return polled && toSubmit / has <= known.rate
    ? `${needs}, where the Gateway allows ${number(known.rate)}; or webhooks with --webhook-trust, which save the polls`
    : `${needs}, where the Gateway allows ${number(known.rate)}: so a later time, or fewer lines`;
}
