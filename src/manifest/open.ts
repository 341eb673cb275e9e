import { createHash } from 'node:crypto';
import { compressionOf, encodingOf } from './decompress.js';
import { storeOf } from './sources/registry.js';
import {
  type ListedSource,
  manifestError,
  type ObjectStat,
  type OpenOptions,
  type ReadOptions,
  type Store,
  sourceChanged,
} from './sources/store.js';
import type { Manifest, Source } from './types.js';

/** Many at once, since an object store answers each request slowly. */
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
  for await (const source of fewAtOnce(objects, (object) => sourceOf(object, store, options), options)) {
    if (several && source.size === 0) continue;
    if (source.size === 0)
      throw manifestError(`${source.name} is empty (0 bytes)`, 'A manifest needs at least one line.');
    found.push(source);
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

async function sourceOf(
  { uri, name, listed }: ListedSource,
  store: Store,
  options: OpenOptions,
): Promise<Omit<Source, 'index'>> {
  if (listed !== undefined) return { uri, name, ...listed, compression: null, seekable: false, listed: true };
  return { uri, name, ...shapeOf(name, await store.stat(uri, options)) };
}

function shapeOf(name: string, { head, ranges, ...rest }: ObjectStat) {
  const compression = encodingOf(name, rest.encoding) ?? compressionOf(name, head);
  return { ...rest, compression, seekable: ranges && compression === null };
}

/**
 * Fetches all facts of a source before it is read: asks its store if only a list has named it.
 *
 * @throws IngestError `source_changed` when it is no longer what was listed
 */
export async function lookAt(source: Source, options: ReadOptions): Promise<Source> {
  if (!source.listed) return source;
  const { listed: _asked, ...rest } = source;
  const looked = { ...rest, ...shapeOf(source.name, await storeOf(source.uri).stat(source.uri, options)) };
  if (looked.version !== source.version) throw sourceChanged(source.name, 'it was written again');
  return looked;
}

/** The same for many, in order. */
export const lookAtAll = (sources: readonly Source[], options: ReadOptions): AsyncIterable<Source> =>
  fewAtOnce(sources, (source) => lookAt(source, options), options);

async function* fewAtOnce<T, R>(
  items: readonly T[],
  ask: (item: T) => Promise<R>,
  { signal }: Pick<ReadOptions, 'signal'>,
): AsyncIterable<R> {
  for (let i = 0; i < items.length; i += STATS_AT_ONCE) {
    signal?.throwIfAborted();
    yield* await Promise.all(items.slice(i, i + STATS_AT_ONCE).map(ask));
  }
}

function versionOf(sources: readonly Source[]): string {
  const identity = JSON.stringify(sources.map(({ name, version }) => [name, version]));
  return createHash('sha256').update(identity).digest('hex');
}

const total = (sources: readonly Source[]) =>
  sources.reduce<number | null>((sum, { size }) => (sum === null || size === null ? null : sum + size), 0);
