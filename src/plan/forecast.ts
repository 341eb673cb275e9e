import { costOfLabels, type Price } from './price.js';
import { type Range, within } from './range.js';

/** What a run has come to, and what it is made of. Everything here is a count that its record holds. */
export interface SoFar {
  /** Lines of the manifest, blank ones excepted; a range while it is still being read. */
  lines: Range;
  settled: number;
  failed: number;
  /** Tasks submitted and not yet settled. */
  inFlight: number;
  costSats: number;
  /** Gateway calls. */
  calls: number;
  /** Result calls among them. */
  polls: number;
  /** Since it began to send, pauses by hand not counted. */
  elapsedSeconds: number;
}

export interface Outlook {
  /** Known before the run from other runs; null: from this one alone. */
  price: Price | null;
  /** Calls per second allowed now; null: the pace so far. */
  callsPerSecond: number | null;
  /** Polls that a label takes, where that is known from elsewhere; null: as so far. */
  pollsPerLabel: number | null;
  /** From a task's submission to its collected result, mean; null when unknown. */
  inFlightSeconds: number | null;
}

/** How a run will end, counted from its beginning. Null: nothing tells yet. */
export interface Forecast {
  cost_sats: Range | null;
  calls: Range | null;
  /** Of the whole run. */
  seconds: Range | null;
}

/** Fewer lines than this tell too little of a run to foretell it. */
const TELLING = 20;
/** The allowed rate is not kept to the last call, and changes. */
const PACE_ERROR = 0.1;

/** Pure: the same counts give the same forecast. */
export function forecastRun(soFar: SoFar, outlook: Outlook): Forecast {
  const ended = soFar.settled + soFar.failed;
  const left: Range = {
    expected: Math.max(0, soFar.lines.expected - ended),
    low: Math.max(0, soFar.lines.low - ended),
    high: Math.max(0, soFar.lines.high - ended),
  };
  const cost = costForecast(soFar, outlook, left, ended);
  const calls = callsForecast(soFar, outlook, left, ended);
  return { cost_sats: cost, calls, seconds: timeForecast(soFar, outlook, left, calls) };
}

/** Lines that fail cost nothing: as many of those to come will as have. */
function costForecast(soFar: SoFar, { price }: Outlook, left: Range, ended: number): Range | null {
  const own: Price | null =
    soFar.settled >= TELLING && soFar.costSats > 0
      ? { value: soFar.costSats / soFar.settled, source: 'history', labels: soFar.settled, spread: 0 }
      : null;
  const used = own ?? price;
  if (used === null) return left.high === 0 ? exactCost(soFar) : null;
  const settles = ended >= TELLING ? soFar.settled / ended : 1;
  const chance = ended >= TELLING ? 2 * Math.sqrt((settles * (1 - settles)) / ended) : 0;
  const more = costOfLabels(used, {
    expected: left.expected * settles,
    low: left.low * Math.max(0, settles - chance),
    high: left.high * Math.min(1, settles + chance),
  });
  return {
    expected: soFar.costSats + more.expected,
    low: soFar.costSats + more.low,
    high: soFar.costSats + more.high,
  };
}

const exactCost = ({ costSats }: SoFar): Range => within(costSats, 0);

function callsForecast(soFar: SoFar, outlook: Outlook, left: Range, ended: number): Range | null {
  const own = ended >= TELLING ? soFar.polls / ended : null;
  const perLabel = outlook.pollsPerLabel ?? own;
  if (perLabel === null) return null;
  // What is neither a submission nor a poll (429s, answers lost) goes on as it went.
  const wasted =
    ended >= TELLING ? Math.max(0, soFar.calls - soFar.polls - ended - soFar.inFlight) / ended : 0;
  const of = (lines: number) =>
    soFar.calls + Math.max(0, lines - soFar.inFlight) + lines * (perLabel + wasted);
  const error = left.expected * perLabel * PACE_ERROR;
  return {
    expected: of(left.expected),
    low: Math.max(soFar.calls, of(left.low) - error),
    high: of(left.high) + error,
  };
}

function timeForecast(soFar: SoFar, outlook: Outlook, left: Range, calls: Range | null): Range | null {
  if (left.high === 0) return within(soFar.elapsedSeconds, 0);
  const own = soFar.elapsedSeconds > 0 && soFar.calls >= TELLING ? soFar.calls / soFar.elapsedSeconds : null;
  const pace = outlook.callsPerSecond ?? own;
  if (pace === null || pace <= 0 || calls === null) return null;
  const tail = outlook.inFlightSeconds ?? 0;
  const after = (n: number) => (n - soFar.calls) / pace;
  const expected = soFar.elapsedSeconds + Math.max(after(calls.expected), tail);
  return {
    expected,
    low: soFar.elapsedSeconds + after(calls.low) * (1 - PACE_ERROR),
    high: soFar.elapsedSeconds + (Math.max(after(calls.high), tail) + tail) * (1 + PACE_ERROR),
  };
}
