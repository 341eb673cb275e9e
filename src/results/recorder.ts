import type { Metrics } from '../metrics/metrics.js';
import type { RedisClient } from '../redis/connection.js';
import { retryTemporaryErrors } from '../redis/temporary-errors.js';
import type { RunKeys } from '../runs/keys.js';
import { type EndedLine, type Ending, endLines } from '../runs/scripts.js';

/** A line ends at once; those that end so soon after it wait for each other, until the time is over or a chunk is full. */
const APART_MS = 50;
const MOST_LINES = 100;
/** A script holds Redis up for as long as it takes to write its rows. */
const MOST_CHARACTERS = 1 << 20;

/** Ends a run's lines, in groups. */
export interface Recorder {
  /** Resolves when the line has ended, by this call or before. */
  end(source: number, line: number, ending: Ending): Promise<void>;
}

interface Group {
  lines: EndedLine[];
  characters: number;
  timer: NodeJS.Timeout;
  recorded: Promise<void>;
  record: () => void;
}

export function createRecorder(
  redis: RedisClient,
  keys: RunKeys,
  metrics: Metrics,
  onEnded: (lines: number) => void = () => {},
): Recorder {
  const groups = new Map<number, Group>();
  let recordedAt = Number.NEGATIVE_INFINITY;

  async function record(source: number, lines: readonly EndedLine[]): Promise<void> {
    // The lines are in hand, and what they cost is paid: a Redis that refuses is waited for.
    const ended = await retryTemporaryErrors(() => endLines(redis, keys, source, lines));
    for (const [index, { ending }] of lines.entries()) if (ended[index]) count(metrics, ending);
    onEnded(lines.length);
  }

  function open(source: number): Group {
    let start = () => {};
    const recorded = new Promise<void>((resolve, reject) => {
      start = () => {
        groups.delete(source);
        clearTimeout(group.timer);
        recordedAt = performance.now();
        record(source, group.lines).then(resolve, reject);
      };
    });
    const group: Group = {
      lines: [],
      characters: 0,
      timer: setTimeout(() => group.record(), Math.max(0, recordedAt + APART_MS - performance.now())),
      recorded,
      record: start,
    };
    groups.set(source, group);
    return group;
  }

  return {
    end(source, line, ending) {
      const group = groups.get(source) ?? open(source);
      group.lines.push({ line, ending });
      group.characters += ending.row.length;
      if (group.lines.length >= MOST_LINES || group.characters >= MOST_CHARACTERS) group.record();
      return group.recorded;
    },
  };
}

function count(metrics: Metrics, ending: Ending): void {
  if (ending.kind === 'failed') metrics.failed.inc({ stage: ending.stage, code: ending.code });
  else {
    if (ending.gold !== undefined) metrics.gold.inc({ outcome: ending.gold });
    metrics.settled.inc({ settled_by: ending.settledBy });
    metrics.settleSeconds.observe(ending.ageMs / 1000);
  }
}
