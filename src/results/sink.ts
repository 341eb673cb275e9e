import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { usageError } from '../lib/errors.js';
import { createObjectStores, type ObjectStores } from '../lib/object-stores/index.js';
import { createDirSink } from './dir-sink.js';
import { createObjectSink } from './object-sink.js';
import type { Sink } from './sink-interface.js';

export { type PartName, parsePartName, partName } from '../lib/result-file-names.js';
export type { Marker, ResultsIdentity } from '../runs/sink-marker.js';
export { probeObjectPlace } from './object-sink.js';
export type { Sink } from './sink-interface.js';

/**
 * The sink of an `--out`: a directory, `s3://bucket/prefix` or `gs://bucket/prefix`. Nothing is opened yet.
 *
 * @throws IngestError `usage` for a scheme that is not known.
 */
export function openSink(out: string, stores: ObjectStores = createObjectStores()): Sink {
  const scheme = schemeOf(out);
  if (scheme === null) return createDirSink(out);
  if (scheme === 'file') return createDirSink(fileURLToPath(out));
  if (scheme === 's3' || scheme === 'gs') return createObjectSink(out, stores);
  throw usageError('--out', `unknown scheme "${scheme}://"`, {
    hint: 'give a directory, s3://bucket/prefix or gs://bucket/prefix',
  });
}

/** An `--out` that means the same from every working directory. */
export const resolveOut = (out: string, cwd: string) =>
  schemeOf(out) === null ? path.resolve(cwd, out) : out;

const schemeOf = (out: string) => /^([a-z][a-z0-9+.-]*):\/\//i.exec(out)?.[1]?.toLowerCase() ?? null;
