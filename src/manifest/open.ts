import { createHash } from 'node:crypto';
import { compressionOf, encodingOf } from './decompress.js';
import { storeOf } from './stores/registry.js';
import { manifestError, type OpenOptions } from './stores/store.js';
import type { Manifest, Source } from './types.js';

/** Object stores answer slowly one by one; files do not mind. */
const STATS_AT_ONCE = 16;

/**
 * Finds the sources of a manifest and freezes their list and versions; no line is read yet.
 *
 * @throws IngestError `manifest` when there is nothing to read, `usage` for a scheme that is not known.
 */
export async function openManifest(spec: string, options: OpenOptions = {}): Promise<Manifest> {
  const store = storeOf(spec);
  const { uri, identity = uri, objects, several } = await store.list(spec, options);
  const found: Omit<Source, 'index'>[] = [];
  for (let i = 0; i < objects.length; i += STATS_AT_ONCE) {
    options.signal?.throwIfAborted();
    const few = objects.slice(i, i + STATS_AT_ONCE);
    const stats = await Promise.all(few.map((object) => store.stat(object.uri, options)));
    for (const [n, object] of few.entries()) {
      const stat = stats[n];
      if (stat === undefined || (several && stat.size === 0)) continue;
      if (stat.size === 0)
        throw manifestError(`${object.name} is empty (0 bytes)`, 'A manifest needs at least one line.');
      const { head, ranges, ...rest } = stat;
      const compression = encodingOf(object.name, stat.encoding) ?? compressionOf(object.name, head);
      found.push({ ...object, ...rest, compression, seekable: ranges && compression === null });
    }
  }
  if (found.length === 0) {
    throw manifestError(
      objects.length === 0 ? `no files match ${spec}` : `all files that match ${spec} are empty (0 bytes)`,
      'Check the path; names that start with a dot are passed over.',
    );
  }
  const sources = found.map((source, index) => ({ index, ...source }));
  return { uri, identity, version: versionOf(sources), sources, bytes: total(sources) };
}

function versionOf(sources: readonly Source[]): string {
  const identity = JSON.stringify(sources.map(({ name, version }) => [name, version]));
  return createHash('sha256').update(identity).digest('hex');
}

const total = (sources: readonly Source[]) =>
  sources.reduce<number | null>((sum, { size }) => (sum === null || size === null ? null : sum + size), 0);
