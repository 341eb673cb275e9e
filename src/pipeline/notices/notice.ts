import { exactly } from '../../lib/range.js';
import type { Forecast, RunForecast } from '../../runs/forecast.js';
import type { RunReading } from '../../runs/read-status.js';
import { type BlockReason, endedLines, type RunState } from '../../runs/status.js';

export type NoticeEvent = 'half' | 'completed' | 'cancelled' | 'blocked' | 'forecast_overrun';

/** The sent message. Field names are public. */
export interface Notice {
  event: NoticeEvent;
  /** Every process gives the same event the same id, since a receiver may get it twice. */
  notice_id: string;
  run_id: string;
  state: RunState;
  reason: BlockReason | null;
  message: string | null;
  lines: number;
  settled: number;
  failed: number;
  unchanged: number;
  carried: number;
  in_flight: number;
  cost_sats: number;
  forecast: Forecast;
  /** For `forecast_overrun`: the first forecast. */
  foretold: Baseline | null;
  started_at: string;
  ended_at: string | null;
  out: string;
  /** ISO 8601. */
  timestamp: string;
}

/** The forecast that later ones are compared with. */
export interface Baseline {
  cost_sats: number;
  /** The upper bound of the first forecast. */
  cost_sats_high: number;
  seconds: number;
  seconds_high: number;
}

/** From this many settled lines on, the forecast is reliable enough to compare the run with. */
const MIN_SETTLED = 100;

/** How the run will end, or has ended. */
export const inShort = ({ expected, actual }: RunForecast): Forecast =>
  actual === null
    ? {
        cost_sats: expected?.cost_sats ?? null,
        calls: expected?.calls ?? null,
        seconds: expected?.seconds ?? null,
      }
    : {
        cost_sats: exactly(actual.cost_sats),
        calls: exactly(actual.calls),
        seconds: exactly(actual.seconds),
      };

/** The first usable forecast, once the whole manifest has been read; null before. */
export function baselineOf({ status }: RunReading, { cost_sats, seconds }: Forecast): Baseline | null {
  if (!status.produced || status.settled < MIN_SETTLED || cost_sats === null || seconds === null) return null;
  return {
    cost_sats: Math.round(cost_sats.expected),
    cost_sats_high: Math.round(cost_sats.high),
    seconds: Math.round(seconds.expected),
    seconds_high: Math.round(seconds.high),
  };
}

/** The notices due for a run. `changedAt`: when its state last changed. */
export function noticesOf(
  reading: RunReading,
  changedAt: string,
  baseline: Baseline | null,
  now: RunForecast,
  nowMs: number,
): Notice[] {
  const { record, status } = reading;
  const forecast = inShort(now);
  const late = now.finish_by?.kept === false ? now.finish_by.message : null;
  const events: [NoticeEvent, string][] = [];
  const ended = endedLines(status);
  if (reading.summedUp) {
    const event = record.state === 'cancelled' ? 'cancelled' : 'completed';
    events.push([event, `${event}:${record.endedAt}`]);
  } else {
    if (status.produced && status.lines > 0 && ended * 2 >= status.lines) events.push(['half', 'half']);
    if (record.state === 'blocked') events.push(['blocked', `blocked:${changedAt}`]);
    if (record.state === 'running' && (late !== null || overruns(forecast, baseline)))
      events.push(['forecast_overrun', 'forecast_overrun']);
  }
  return events.map(([event, id]) => ({
    event,
    notice_id: `${record.id}:${id}`,
    run_id: record.id,
    state: record.state,
    reason: record.reason,
    message: record.message ?? (event === 'forecast_overrun' ? late : null),
    lines: status.lines,
    settled: status.settled,
    failed: status.failed,
    unchanged: status.unchanged,
    carried: status.carried,
    in_flight: status.in_flight,
    cost_sats: status.cost_sats,
    forecast,
    foretold: event === 'forecast_overrun' ? baseline : null,
    started_at: record.startedAt,
    ended_at: record.endedAt,
    out: record.out,
    timestamp: new Date(nowMs).toISOString(),
  }));
}

/** True when the run is now expected to cost more, or take longer, than the upper bound of its first forecast. */
function overruns({ cost_sats, seconds }: Forecast, baseline: Baseline | null): boolean {
  if (baseline === null) return false;
  return (
    (cost_sats !== null && cost_sats.expected > baseline.cost_sats_high) ||
    (seconds !== null && seconds.expected > baseline.seconds_high)
  );
}
