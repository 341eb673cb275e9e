import type { ObjectStores } from '../lib/object-stores/index.js';
import { type Manifest, readLines } from '../manifest/index.js';
import type { EndedLines } from './ended-lines.js';
import type { createTally } from './tally.js';

export interface ReadOptions {
  objectStores: ObjectStores;
  signal: AbortSignal;
  /** Called after each chunk: lines so far, and unpacked bytes. */
  onRead: (lines: number, bytes: number) => void;
}

/** Reads every line of the manifest into the tally. */
export async function readAll(
  manifest: Manifest,
  tally: ReturnType<typeof createTally>,
  ended: EndedLines,
  { onRead, ...options }: ReadOptions,
): Promise<void> {
  let [lines, bytes] = [0, 0];
  for (const source of manifest.sources) {
    const before = bytes;
    for await (const batch of readLines(source, { line: 0, offset: 0 }, options)) {
      const [first, last] = [batch[0], batch.at(-1)];
      if (first === undefined || last === undefined) continue;
      const reached = ended.reach(source.index, first.line, last.line);
      if (reached !== undefined) await reached;
      for (const raw of batch) tally.add(source, raw, ended.has(raw.line));
      lines += batch.length;
      bytes = before + last.end;
      onRead(lines, bytes);
    }
  }
}
