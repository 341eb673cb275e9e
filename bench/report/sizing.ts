/** The formulas of docs/sizing.md, what they say of three points that were measured, and of a few examples. */
import { type Results, smallest } from './results.js';
import { table } from './tables.js';

/** What one line, call or task costs, as it was measured. */
export interface Costs {
  processCpuUs: number;
  redisCpuUs: number;
  callsPerLine: number;
  bytesPerWaitingLine: number;
  bytesPerTask: number;
}

export interface Demand {
  lines: number;
  /** Gateway calls that the key may make. */
  callsPerS: number;
  settleS: number;
  latencyS: number;
}

export interface Size {
  linesPerS: number;
  hours: number;
  inFlight: number;
  processes: number;
  redisCores: number;
  redisMib: number;
}

export const DEFAULTS = { concurrency: 200, maxQueued: 20_000, maxInFlight: 100_000, partMib: 64 };

/** How much of a core a process, and Redis, may be busy. */
const BUSY = 0.7;
/** A Redis without any lines. */
const REDIS_BASE_MIB = 2;

/** Calls and lines per second that one process makes at most: by its window of calls, and by its core. */
export function linesPerProcess(costs: Costs, latencyS: number): number {
  const byCalls =
    latencyS > 0 ? DEFAULTS.concurrency / latencyS / costs.callsPerLine : Number.POSITIVE_INFINITY;
  return Math.min(byCalls, 1e6 / costs.processCpuUs);
}

export function redisMib(costs: Costs, waiting: number, inFlight: number, lines: number): number {
  const bytes = waiting * costs.bytesPerWaitingLine + inFlight * costs.bytesPerTask + lines / 4;
  return REDIS_BASE_MIB + bytes / 2 ** 20;
}

export function sizeOf(demand: Demand, costs: Costs): Size {
  const allowed = demand.callsPerS / costs.callsPerLine;
  const wanted = Math.min(allowed, DEFAULTS.maxInFlight / demand.settleS);
  const linesPerS = Math.min(wanted, (BUSY * 1e6) / costs.redisCpuUs);
  const inFlight = Math.min(linesPerS * demand.settleS, DEFAULTS.maxInFlight, demand.lines);
  const waiting = Math.min(DEFAULTS.maxQueued, demand.lines);
  return {
    linesPerS,
    hours: (demand.lines / linesPerS + demand.settleS) / 3600,
    inFlight,
    processes: Math.max(1, Math.ceil(linesPerS / (BUSY * linesPerProcess(costs, demand.latencyS)))),
    redisCores: (linesPerS * costs.redisCpuUs) / 1e6,
    redisMib: redisMib(costs, waiting, inFlight, demand.lines) + DEFAULTS.partMib,
  };
}

/** From the figures per line; undefined where one of them was not measured. */
export function costsOf(results: Results): Costs | undefined {
  const ours = smallest(results)?.ours;
  const { producing, in_flight: flight } = results;
  if (!ours || !producing || !flight) return undefined;
  return {
    processCpuUs: ours.process_cpu_us_per_line,
    redisCpuUs: ours.redis_cpu_us_per_line,
    callsPerLine: ours.calls_per_line,
    bytesPerWaitingLine: producing.ours.bytes_per_waiting_line,
    bytesPerTask: flight.polled.bytes_per_task,
  };
}

export function costs(results: Results): string {
  const known = costsOf(results);
  if (!known) return '';
  return table(
    ['cost', 'name', 'measured'],
    [
      ['process CPU per line, HTTP included, µs', '`p`', known.processCpuUs],
      ['Redis CPU per line, µs', '`q`', known.redisCpuUs],
      ['Gateway calls per line', '`c`', known.callsPerLine],
      ['Redis per waiting line, B', '`w`', known.bytesPerWaitingLine],
      ['Redis per task in flight, the line included, B', '`f`', known.bytesPerTask],
    ],
  );
}

const EXAMPLES: Demand[] = [
  { lines: 100_000, callsPerS: 20, settleS: 60, latencyS: 0.2 },
  { lines: 1_000_000, callsPerS: 200, settleS: 60, latencyS: 0.2 },
  { lines: 10_000_000, callsPerS: 1_000, settleS: 60, latencyS: 0.2 },
  { lines: 10_000_000, callsPerS: 2_000, settleS: 3_600, latencyS: 0.2 },
  { lines: 100_000_000, callsPerS: 10_000, settleS: 30, latencyS: 0.2 },
];

export function examples(results: Results): string {
  const known = costsOf(results);
  if (!known) return '';
  const headers = ['lines', 'calls/s', 'settle time, s', 'lines/s', 'hours', 'tasks in flight'];
  return table(
    [...headers, 'processes', 'Redis cores', 'Redis, MiB'],
    EXAMPLES.map((demand) => {
      const size = sizeOf(demand, known);
      return [
        demand.lines,
        demand.callsPerS,
        demand.settleS,
        size.linesPerS,
        size.hours,
        size.inFlight,
        size.processes,
        size.redisCores,
        size.redisMib,
      ];
    }),
  );
}

/** Three points that the costs were not taken from: what the formulas say, and what was measured. */
export function checked(results: Results): string {
  const known = costsOf(results);
  const { growth, measured } = results;
  const ours = smallest(results)?.ours;
  if (!known || !growth || !ours) return '';
  const flight = growth.in_flight.findLast(({ lines, in_flight }) => in_flight === lines);
  const alone = growth.processes.find(({ processes }) => processes === 1);
  const long = growth.lines.find(({ lines }) => lines === 100_000);
  // On the bench's machine Redis and the Gateway want the same cores.
  const shared = known.processCpuUs + known.redisCpuUs + ours.gateway_cpu_us_per_line;
  const rows = [
    flight && [
      `Redis with ${flight.in_flight.toLocaleString('en')} tasks in flight, MiB`,
      // Both without what an empty Redis takes.
      redisMib(known, 0, flight.in_flight, flight.in_flight) - REDIS_BASE_MIB,
      flight.redis_mib,
    ],
    alone && [
      'lines/s of one process at 200 ms of latency',
      Math.min(
        linesPerProcess({ ...known, callsPerLine: alone.calls_per_line }, 0.2),
        (measured.cpus * 1e6) / shared,
      ),
      alone.lines_per_s,
    ],
    long && [
      'lines/s of one process, no limit, 100,000 lines',
      Math.min(1e6 / known.processCpuUs, (measured.cpus * 1e6) / shared),
      long.lines_per_s,
    ],
  ].filter((row) => row !== undefined);
  return table(['point', 'formula', 'measured', 'measured ÷ formula'], rows.map(withRatio));
}

const withRatio = ([name, formula, measured]: (string | number)[]) => [
  name,
  formula,
  measured,
  Number(measured) / Number(formula),
];
