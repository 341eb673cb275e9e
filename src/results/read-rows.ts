import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import split2 from 'split2';
import type { Sink } from './sink.js';

/** A part's rows as text, one at a time. `seen` is shown the part's bytes as they are stored. */
export function readRows(
  sink: Pick<Sink, 'readPart'>,
  name: string,
  seen: (chunk: Buffer) => void = () => {},
): AsyncIterable<string> {
  async function* bytes() {
    for await (const chunk of sink.readPart(name)) {
      seen(chunk);
      yield chunk;
    }
  }
  // The empty string after the last newline is no row.
  const rows = split2((text: string) => text || undefined);
  const stored = Readable.from(bytes(), { objectMode: false });
  // A failure on the way reaches the reader of `rows`; so does its leaving the source.
  if (name.endsWith('.gz')) pipeline(stored, createGunzip(), rows, () => undefined);
  else pipeline(stored, rows, () => undefined);
  return rows as AsyncIterable<string>;
}
