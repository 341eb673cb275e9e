import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { FirstAnswer } from '../runs/escalation.js';

/** Most lines that travel in one job. Ten give nearly all of the speed, a hundred the least memory. */
export const CHUNK_LINES = 100;
/** Most characters in a job, since a chunk is read and written as a whole. A longer line has its own job. */
export const CHUNK_CHARACTERS = 256 << 10;
/** Shorter texts do not shrink. */
const WORTH_DEFLATING = 300;

export interface Backoff {
  calls: number;
  /** The wait in all before the one that began at `at` (epoch ms) and was to last `ms`. */
  waitedMs: number;
  at: number;
  ms: number;
  /** The budget's `heldMs` at its beginning. */
  heldMs: number;
}

/** A line that waits to be submitted. The options that all lines share are in the run's record. */
export interface QueuedLine {
  /** Its number in its source, from 1. */
  line: number;
  /** The line's object as the manifest has it, character by character. */
  text: string;
  /** Its idempotency key; absent when that follows from the line's place (`--key line`). */
  key?: string;
  /** Calls in a row that failed for reasons not the line's own. */
  backoff?: Backoff;
  /**
   * Set when the Gateway refused the line before it had accepted any line: the round of that refusal (see
   * `judgeRefusal`).
   */
  refusedIn?: string;
}

/** A line whose task is to be polled. */
export interface PolledLine extends QueuedLine {
  task: string;
  /** When the task was submitted (epoch ms). */
  at: number;
  /**
   * The task's age (ms) at the last poll that found it in progress, 0 at first. Absent for tasks that do not count for
   * settle times.
   */
  seen?: number;
  /** The task was bought before this run, so its cost is not this run's. */
  boughtElsewhere?: true;
  /** The task was unknown to the Gateway once, and was submitted again. */
  resubmitted?: true;
  /** The line's first answer. The line is asked again, or (`escalated`) has been asked again. */
  first?: FirstAnswer;
  /** `task` is its second one. */
  escalated?: true;
  /** A webhook delivery will report when the task has settled; the run's index of tasks holds this line's job. */
  awaitsDelivery?: true;
}

/** A job's data. Names are short, and the lines are deflated where that pays: there are millions. */
export interface ChunkData {
  /** The source's place in the manifest, from 0. */
  s: number;
  /** How many lines. */
  n: number;
  /** For polled lines: when the first of them was submitted (epoch ms). */
  at?: number;
  /** Deliveries report them. */
  w?: true;
  /** When to poll (epoch ms) if no delivery comes before. */
  due?: number;
  /** The lines' texts … */
  t?: string;
  /** … or the same deflated, in base64. */
  z?: string;
}

export interface Chunk<L extends QueuedLine> {
  source: number;
  lines: L[];
}

/** The names that a line's fields have in a job. */
const SHORT = {
  key: 'k',
  boughtElsewhere: 'd',
  backoff: 'b',
  refusedIn: 'r',
  task: 't',
  at: 'a',
  seen: 's',
  resubmitted: 'g',
  first: 'f',
  escalated: 'e',
  awaitsDelivery: 'w',
} as const;
type Field = keyof typeof SHORT;
const FIELDS = Object.entries(SHORT) as [Field, string][];

/** One row a line: number, fields as JSON (or nothing), the line's text. JSON text has neither tabs nor line breaks. */
function packed(line: QueuedLine & Partial<PolledLine>): string {
  const fields: Record<string, unknown> = {};
  let some = false;
  for (const [name, short] of FIELDS) {
    const value = line[name];
    if (value === undefined) continue;
    fields[short] = value;
    some = true;
  }
  return `${line.line}\t${some ? JSON.stringify(fields) : ''}\t${line.text}`;
}

function unpacked(row: string): QueuedLine & Partial<PolledLine> {
  const first = row.indexOf('\t');
  const second = row.indexOf('\t', first + 1);
  const line: Record<string, unknown> = { line: Number(row.slice(0, first)), text: row.slice(second + 1) };
  if (second > first + 1) {
    const fields = JSON.parse(row.slice(first + 1, second)) as Record<string, unknown>;
    for (const [name, short] of FIELDS) if (fields[short] !== undefined) line[name] = fields[short];
  }
  return line as unknown as QueuedLine & Partial<PolledLine>;
}

export function encodeChunk<L extends QueuedLine>(source: number, lines: readonly L[]): ChunkData {
  const text = lines.map(packed).join('\n');
  const polled = lines as readonly (L & Partial<PolledLine>)[];
  const at = polled[0]?.at;
  return {
    s: source,
    n: lines.length,
    ...(at === undefined ? {} : { at: polled.reduce((least, line) => Math.min(least, line.at ?? at), at) }),
    ...(polled.some((line) => line.awaitsDelivery) ? { w: true } : {}),
    ...(text.length < WORTH_DEFLATING
      ? { t: text }
      : { z: deflateRawSync(text, { level: 1 }).toString('base64') }),
  };
}

/** The lines of a job. None when a version before chunks wrote it: then a sweep finds the lines. */
export function decodeChunk<L extends QueuedLine>(data: ChunkData): Chunk<L> {
  const text = data.z === undefined ? data.t : inflateRawSync(Buffer.from(data.z, 'base64')).toString('utf8');
  const rows = text === undefined || text === '' ? [] : text.split('\n');
  return { source: data.s, lines: rows.map(unpacked) as L[] };
}

/** Cuts lines into chunks: at most `CHUNK_LINES` lines, and no more characters than one should have. */
export function* intoChunks<L extends QueuedLine>(lines: readonly L[], most: number): Generator<L[]> {
  let chunk: L[] = [];
  let characters = 0;
  for (const line of lines) {
    if (chunk.length > 0 && (chunk.length >= most || characters + line.text.length > CHUNK_CHARACTERS)) {
      yield chunk;
      [chunk, characters] = [[], 0];
    }
    chunk.push(line);
    characters += line.text.length;
  }
  if (chunk.length > 0) yield chunk;
}
