import type { RunRecord } from './record.js';

/**
 * The course of a run, beyond its counts: events over its time, confidences, settle times. All of it is counters in
 * one hash. Their number does not depend on the lines: it grows with the logarithm of the run's duration.
 */

/** Events of a column of time: tasks submitted, lines settled and failed, 429s. */
const EVENTS = { submitted: 'u', settled: 's', failed: 'f', limited: 'l' } as const;
export type Event = keyof typeof EVENTS;

const CONFIDENCE = 'c';
const SETTLE_TIME = 't';
const GATEWAY_TIME = 'g';
const UNKNOWN = '-';

/** A column is a second wide at first, and twice as wide each time that the run has become twice as old: seconds. */
const FINEST = 128;

function widthAt(second: number): number {
  let width = 1;
  while (second >= FINEST * width) width *= 2;
  return width;
}

/** The field that counts an event that happens now. */
export function eventField(event: Event, { startedAt }: Pick<RunRecord, 'startedAt'>, now = Date.now()) {
  const second = Math.max(0, Math.floor((now - msOf(startedAt)) / 1000));
  return `${EVENTS[event]}${second - (second % widthAt(second))}`;
}

/** Cached: this is called for each line, for the same few runs. */
const parsed = new Map<string, number>();

function msOf(text: string): number {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  if (parsed.size >= 100) parsed.clear();
  const ms = Date.parse(text);
  parsed.set(text, ms);
  return ms;
}

/** Confidences are counted in steps of a twentieth. */
export const CONFIDENCE_STEPS = 20;

export const confidenceField = (confidence: number | null): string =>
  confidence === null || !(confidence >= 0)
    ? CONFIDENCE + UNKNOWN
    : CONFIDENCE + Math.min(CONFIDENCE_STEPS - 1, Math.floor(confidence * CONFIDENCE_STEPS));

/** Settle times are counted in bins up to 0.1 s, and then each up to √2 times the one before: 40 of them reach a day. */
const LEAST_MS = 100;
const GREATEST_BIN = 40;
/** The time up to which a bin counts, ms. */
export const settleBinEnds = (bin: number): number => LEAST_MS * 2 ** (bin / 2);

function binOf(ms: number): number {
  const bin = Math.ceil(2 * Math.log2(Math.max(ms, LEAST_MS) / LEAST_MS) - 1e-9);
  return Math.min(bin, GREATEST_BIN);
}

/** From a task's submission to its row. */
export const settleTimeField = (ms: number): string => SETTLE_TIME + binOf(ms);

/** How long the Gateway itself took for the task. */
export const gatewayTimeField = (ms: number): string => GATEWAY_TIME + binOf(ms);

export interface Column extends Record<Event, number> {
  /** Seconds since the run's start. */
  from: number;
  width: number;
}

export interface History {
  /** In order of time. Columns without events are missing. */
  columns: Column[];
  /** By step of a twentieth; the lines without a confidence beside. */
  confidences: number[];
  withoutConfidence: number;
  /** By bin; those up to the last that counted anything. */
  settleTimes: number[];
  /** The same for the Gateway's own times, where its answers have them. */
  gatewayTimes: number[];
}

export function historyOf(fields: Record<string, string>): History {
  const columns = new Map<number, Column>();
  const history: History = {
    columns: [],
    confidences: Array.from({ length: CONFIDENCE_STEPS }, () => 0),
    withoutConfidence: 0,
    settleTimes: [],
    gatewayTimes: [],
  };
  for (const [field, text] of Object.entries(fields)) {
    const [kind, at, n] = [field[0] ?? '', Number(field.slice(1)), Number(text)];
    const event = (Object.keys(EVENTS) as Event[]).find((each) => EVENTS[each] === kind);
    if (event !== undefined) {
      const column = columns.get(at) ?? emptyColumn(at, widthAt(at));
      column[event] += n;
      columns.set(at, column);
    } else if (field === CONFIDENCE + UNKNOWN) history.withoutConfidence = n;
    else if (kind === CONFIDENCE) history.confidences[at] = n;
    else if (kind === SETTLE_TIME) history.settleTimes[at] = n;
    else if (kind === GATEWAY_TIME) history.gatewayTimes[at] = n;
  }
  history.settleTimes = Array.from(history.settleTimes, (n) => n ?? 0);
  history.gatewayTimes = Array.from(history.gatewayTimes, (n) => n ?? 0);
  history.columns = [...columns.values()].sort((a, b) => a.from - b.from);
  return history;
}

/** At most this many columns are shown; as none in the hash is wider than a 64th of the time up to it, none is split. */
const SHOWN = 64;

/** The run's time up to `seconds` in columns of one width, empty ones included. */
export function resampleHistory({ columns }: History, seconds: number): Column[] {
  const last = columns.at(-1);
  const end = Math.max(seconds, last ? last.from + 1 : 0, 1);
  let width = 1;
  while (end > SHOWN * width) width *= 2;
  const even = Array.from({ length: Math.ceil(end / width) }, (_, at) => emptyColumn(at * width, width));
  for (const column of columns) {
    const into = even[Math.floor(column.from / width)];
    if (into) for (const event of Object.keys(EVENTS) as Event[]) into[event] += column[event];
  }
  const final = even.at(-1);
  if (final) final.width = Math.max(1, Math.min(width, end - final.from));
  return even;
}

const emptyColumn = (from: number, width: number): Column => ({
  from,
  width,
  submitted: 0,
  settled: 0,
  failed: 0,
  limited: 0,
});

/** This many of each code are kept as examples: the first ones. */
export const EXAMPLES = 3;
const EXAMPLE_CHARACTERS = 300;

/** A failed line that is shown as an example of its code. */
export interface FailureExample {
  line: number;
  source: string | null;
  stage: string;
  message: string;
}

export const exampleOf = (row: {
  line: number;
  source: string | null;
  stage: string;
  error: { message: string };
}): FailureExample => ({
  line: row.line,
  source: row.source,
  stage: row.stage,
  message: row.error.message.slice(0, EXAMPLE_CHARACTERS),
});

/** Field of the examples: a code's first, second … */
export const exampleField = (code: string, n: number): string => `${n}:${code}`;

/** Examples by code. */
export function examplesOf(fields: Record<string, string>): Record<string, FailureExample[]> {
  const examples: Record<string, FailureExample[]> = {};
  for (const [field, text] of Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const code = field.slice(field.indexOf(':') + 1);
    examples[code] = [...(examples[code] ?? []), JSON.parse(text) as FailureExample];
  }
  return examples;
}
