import type { RawLine, Source } from '../manifest/index.js';
import type { TaskOptions } from '../runs/record.js';
import { EXAMPLES } from '../runs/timeline.js';
import { createDistinct, type DistinctCount } from './distinct.js';
import { createLineCheck, type IsKnown } from './line-check.js';

/** A line that a run would reject. */
export interface RejectedExample {
  /** From 1; null where a sample did not count the lines before it. */
  line: number | null;
  /** The offset of its first byte, where the line is null. */
  offset: number | null;
  source: string | null;
  message: string;
}

/** The counts of the lines that were read. */
export interface Tally {
  /** Without the blank ones. */
  lines: number;
  valid: number;
  /** By code. */
  rejected: Record<string, number>;
  examples: Record<string, RejectedExample[]>;
  /** Lines that a run has ended already; of those, the valid ones. */
  ended: { lines: number; valid: number };
  /** Valid lines that an earlier run has settled, and this one has not ended: they need no task. */
  unchanged: number;
  /** With newlines, blank lines included. */
  bytes: number;
  /** From valid lines alone. */
  validBytes: number;
  longest: number;
  /** Valid lines by what they ask. */
  contents: DistinctCount;
  /** Valid lines that share their idempotency key with others (`sharing`), and how many keys they have. */
  keys: DistinctCount & { sharing: number };
}

const EXAMPLE_CHARACTERS = 300;

export interface TallyOptions {
  task: TaskOptions;
  /** With more than one source, examples name their source. */
  sources: number;
  /** Slots of the table that duplicates are found with, a power of two. Default 2^24, which takes 128 MiB. */
  slots?: number;
  /** For `--since`. */
  isKnown?: IsKnown | undefined;
}

/** Takes in lines and counts them. `ended` says whether a run has ended the line. */
export function createTally({ task, sources, slots, isKnown }: TallyOptions) {
  const check = createLineCheck(task, isKnown);
  const contents = createDistinct(slots);
  const keys = createDistinct(slots);
  const rejected = new Map<string, number>();
  const examples: Record<string, RejectedExample[]> = {};
  let [lines, valid, bytes, validBytes, longest, sharing, endedLines, endedValid] = [0, 0, 0, 0, 0, 0, 0, 0];
  let unchanged = 0;

  function reject(source: Source, raw: RawLine, offset: number | null, code: string, message: string): void {
    const n = (rejected.get(code) ?? 0) + 1;
    rejected.set(code, n);
    if (n > EXAMPLES) return;
    const example = {
      line: offset === null ? raw.line : null,
      offset,
      source: sources > 1 ? source.name : null,
      message: message.slice(0, EXAMPLE_CHARACTERS),
    };
    examples[code] = [...(examples[code] ?? []), example];
  }

  return {
    /** `offset` of the line's first byte, where its number is not known. */
    add(source: Source, raw: RawLine, ended: boolean, offset: number | null = null): void {
      bytes += raw.bytes;
      if (raw.bytes > longest) longest = raw.bytes;
      const checked = check(raw);
      if (checked.kind === 'blank') return;
      lines += 1;
      if (ended) endedLines += 1;
      if (checked.kind === 'rejected') {
        reject(source, raw, offset, checked.code, checked.message);
        return;
      }
      valid += 1;
      validBytes += raw.bytes;
      if (ended) endedValid += 1;
      contents.add(checked.content);
      if (checked.unchanged && !ended) unchanged += 1;
      // Such a line needs no task, whatever its key is.
      if (checked.key === null || checked.unchanged) return;
      sharing += 1;
      keys.add(checked.key);
    },
    lines: () => lines,
    valid: () => valid,
    validBytes: () => validBytes,
    bytes: () => bytes,
    result: (): Tally => ({
      lines,
      valid,
      rejected: Object.fromEntries([...rejected].sort((a, b) => b[1] - a[1])),
      examples,
      ended: { lines: endedLines, valid: endedValid },
      unchanged,
      bytes,
      validBytes,
      longest,
      contents: contents.count(),
      keys: { ...keys.count(), sharing },
    }),
  };
}
