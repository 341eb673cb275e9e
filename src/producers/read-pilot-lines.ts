import type { ObjectStores } from '../lib/object-stores/index.js';
import {
  type ContentDigest,
  displayName,
  lookAt,
  type Position,
  type RawLine,
  readLines,
  type Source,
} from '../manifest/index.js';
import { sourceChanged } from '../manifest/sources/store.js';
import type { Place } from '../runs/pilot-lines.js';

/** Lines in a batch. */
const BATCH = 50;
/** A gap of up to this many bytes is read and dropped. Over a larger gap the source is opened again. */
const FAR = 1 << 20;

/** The chosen lines of a source after `from`. A source that can be reopened in the middle is read only around them. */
export async function* readChosen(
  listed: Source,
  places: readonly Place[],
  from: Position,
  options: { objectStores: ObjectStores; signal: AbortSignal; digest?: ContentDigest | null },
): AsyncIterable<RawLine[]> {
  const left = places.filter(([line]) => line > from.line);
  if (left.length === 0) return;
  const source = await lookAt(listed, options);
  let found: RawLine[] = [];
  for (let next = left[0]; next !== undefined; ) {
    const before = left.length;
    const start = source.seekable ? { line: next[0] - 1, offset: next[1] } : from;
    for await (const batch of readLines(source, start, options)) {
      for (const raw of batch) {
        if (raw.line !== left[0]?.[0]) continue;
        found.push(raw);
        left.shift();
      }
      if (found.length >= BATCH || left.length === 0) {
        if (found.length > 0) yield found;
        found = [];
      }
      if (left.length === 0) return;
      if (source.seekable && (left[0]?.[1] ?? 0) - (batch.at(-1)?.end ?? 0) > FAR) break;
    }
    // The lines were chosen from this version of the source, so they exist.
    if (left.length === before)
      throw sourceChanged(displayName(source), `it has no line ${next[0]} any more`);
    next = left[0];
  }
}
