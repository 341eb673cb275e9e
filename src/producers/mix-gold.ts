import { IngestError } from '../lib/errors.js';
import { seededRandom } from '../lib/seeded-random.js';
import type { Manifest, RawLine, Source } from '../manifest/index.js';
import type { RedisClient } from '../redis/connection.js';
import type { Cursor } from '../runs/cursor.js';
import { keptGold } from '../runs/gold.js';
import type { RunKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';

type Place = Cursor['at'];

/**
 * The places of gold lines in a manifest. They follow from the run alone, so the cursor says which are queued: a step
 * that a crash cut off queues the same ones again.
 */
export interface Mixing {
  /** The gold lines' source. */
  source: number;
  /** The gold lines that come up to a place, in the order in which they are mixed in. */
  upTo(at: Place): readonly RawLine[];
  /** Those that come between two places. */
  between(from: Place, to: Place): readonly RawLine[];
  /** How many of these lines come before the next gold line after `from`, the line that it follows included. */
  linesBefore(from: Place, source: number, lines: readonly RawLine[]): number;
  /** The place behind the last line of the manifest, and of the gold file. */
  end: Place;
}

/** Packed JSON lines become about this many times as long. */
const UNPACKED = 6;
/** In a source of unknown length, a gold line comes after about 20 lines. */
const BYTES_APART = 4_096;

/** Null for a run without gold lines. */
export async function openMixing(
  redis: RedisClient,
  keys: RunKeys,
  record: RunRecord,
  manifest: Pick<Manifest, 'sources'>,
): Promise<Mixing | null> {
  const { gold } = record.manifest;
  if (gold === undefined) return null;
  const kept = await keptGold(redis, keys);
  if (kept === null) throw new IngestError('internal', `run ${record.id} has lost its gold lines`);
  const seed = Number.parseInt(record.manifest.digest.slice(0, 8), 16) || 1;
  return createMixing(kept.map(rawOf), gold.source, manifest.sources, seededRandom(seed));
}

const rawOf = ([line, text]: readonly [number, string]): RawLine => ({ line, text, end: 0, bytes: 0 });

/** @param random gives numbers from 0 up to 1; the same numbers mix the same lines in at the same places */
export function createMixing(
  file: readonly RawLine[],
  goldSource: number,
  sources: readonly Pick<Source, 'size' | 'compression' | 'name'>[],
  random: () => number,
): Mixing {
  const lines = shuffled(file, random);
  const starts = [0];
  for (const source of sources)
    starts.push((starts.at(-1) ?? 0) + lengthOf(source, (file.length * BYTES_APART) / sources.length));
  const total = starts.at(-1) ?? 0;
  // The manifest is divided into equal stretches, one for each gold line.
  const places = lines.map((_line, n) => ((n + random()) / lines.length) * total);

  function countUpTo({ source, offset }: Place): number {
    if (source >= sources.length) return lines.length;
    const at = Math.min((starts[source] ?? 0) + offset, starts[source + 1] ?? total);
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((places[middle] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    source: goldSource,
    upTo: (at) => lines.slice(0, countUpTo(at)),
    between: (from, to) => lines.slice(countUpTo(from), countUpTo(to)),
    linesBefore(from, source, some) {
      const before = countUpTo(from);
      const next = some.findIndex(({ line, end }) => countUpTo({ source, line, offset: end }) > before);
      return next === -1 ? some.length : next + 1;
    },
    end: { source: sources.length, line: lines.length, offset: 0 },
  };
}

function lengthOf(
  { size, compression, name }: Pick<Source, 'size' | 'compression' | 'name'>,
  unknown: number,
): number {
  if (size === null) return unknown;
  return compression !== null || /\.(gz|zst)$/i.test(name) ? size * UNPACKED : size;
}

/** Shuffled, since a gold file may be sorted by label. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const mixed = [...items];
  for (let n = mixed.length - 1; n > 0; n -= 1) {
    const other = Math.floor(random() * (n + 1));
    const [a, b] = [mixed[n], mixed[other]];
    if (a === undefined || b === undefined) continue;
    [mixed[n], mixed[other]] = [b, a];
  }
  return mixed;
}
