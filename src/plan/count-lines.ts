import { exactly, type Range } from '../lib/range.js';
import type { EndedLines } from './ended-lines.js';
import type { SampleEstimate } from './read-sample.js';
import type { Tally } from './tally.js';

export interface Counted {
  result: Tally;
  lines: Range;
  valid: Range;
  rejected: Range;
  rejectedByCode: Record<string, number>;
  validBytes: Range;
  ended: number;
  /** Lines that need no task, since an earlier run has settled them. */
  unchanged: number;
  /** Tasks to buy, gold lines included. */
  tasks: Range;
  /** Tasks that `--key content` would not buy; null where that is the key, or is not known. */
  contentKeySaves: number | null;
}

export interface ToCount {
  result: Tally;
  sample: SampleEstimate | null;
  ended: EndedLines;
  /** Tasks that the run has out already. */
  inFlight: number;
  /** Gold lines that the run has not ended. */
  gold: number;
  byContent: boolean;
}

export async function countLines({
  result,
  sample,
  ended,
  inFlight,
  gold,
  byContent,
}: ToCount): Promise<Counted> {
  if (sample === null) {
    const { valid, keys } = result;
    const distinct = valid - keys.sharing + Math.min(keys.sharing, keys.distinct);
    const bought = (n: number) => Math.max(0, n + gold - result.ended.valid - result.unchanged - inFlight);
    const tasks = {
      expected: bought(distinct),
      low: bought(distinct - keys.error),
      high: bought(distinct + keys.error),
    };
    return {
      result,
      lines: exactly(result.lines),
      valid: exactly(valid),
      rejected: exactly(result.lines - valid),
      rejectedByCode: result.rejected,
      validBytes: exactly(result.validBytes),
      ended: result.ended.lines,
      unchanged: result.unchanged,
      tasks,
      contentKeySaves: byContent ? null : Math.max(0, Math.min(distinct, valid) - result.contents.distinct),
    };
  }
  const total = await ended.total();
  const { lines, valid } = sample;
  const scale = result.lines > 0 ? lines.expected / result.lines : 0;
  const rejected: Range = {
    expected: Math.max(0, lines.expected - valid.expected),
    ...rejectedBounds(result, scale),
  };
  const share = result.valid > 0 ? result.unchanged / result.valid : 0;
  const left = (n: number) => Math.max(0, n * (1 - share) + gold - total - inFlight);
  return {
    result,
    lines,
    valid,
    rejected,
    rejectedByCode: Object.fromEntries(
      Object.entries(result.rejected).map(([code, n]) => [code, Math.round(n * scale)]),
    ),
    validBytes: sample.validBytes,
    ended: total,
    unchanged: valid.expected * share,
    tasks: { expected: left(valid.expected), low: left(valid.low), high: left(valid.high) },
    contentKeySaves: null,
  };
}

/** Error bound of a random count: two standard errors. When none was seen, up to three may have been missed. */
function rejectedBounds({ lines, valid }: Tally, scale: number): { low: number; high: number } {
  const seen = lines - valid;
  const error = 2 * Math.sqrt(seen);
  return {
    low: Math.max(seen, (seen - error) * scale),
    high: (seen === 0 ? 3 : seen + error) * scale,
  };
}
