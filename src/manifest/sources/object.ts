import {
  createObjectStores,
  type ObjectPlace,
  type ObjectStore,
  ObjectStoreError,
  objectUri,
  parseObjectUri,
} from '../../lib/object-stores/index.js';
import { reopening, retried } from '../../lib/object-stores/reopening.js';
import { MARKER } from '../../lib/result-file-names.js';
import type { Source } from '../types.js';
import { matcherOf } from './file-pattern.js';
import {
  type Listing,
  manifestError,
  type ObjectStat,
  type OpenOptions,
  type ReadOptions,
  type Store,
  sourceChanged,
} from './store.js';

/** Manifests in S3 and Google Cloud Storage. */
export const objectStore: Store = { list, stat, openRange };

type Stores = Pick<OpenOptions, 'objectStores'>;

async function opened(uri: string, { objectStores = createObjectStores() }: Stores) {
  const place = parseObjectUri(uri);
  if (place === null)
    throw manifestError(`"${uri}" names no bucket`, 'Write it as s3://bucket/key or gs://bucket/key.');
  return { place, store: await objectStores.of(place.scheme) };
}

/** A prefix that ends in `/` or `*` takes everything under it; a `*` before that matches part of one name. */
async function list(spec: string, options: OpenOptions): Promise<Listing> {
  const { place, store } = await opened(spec, options);
  const { bucket, key } = place;
  const uri = objectUri(store.kind, place);
  if (key !== '' && !key.endsWith('/') && !key.includes('*')) {
    const name = key.slice(key.lastIndexOf('/') + 1);
    return { uri, several: false, objects: [{ uri, name }] };
  }
  const prefix = key.split('*', 1)[0] ?? '';
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const wanted = await matcherOf(key.endsWith('/') || key === '' ? `${key}*` : key);
  const objects: Listing['objects'] = [];
  const sinks: string[] = [];
  const trying = { signal: options.signal, waits: options.objectStores?.waits };
  await retried(
    uri,
    async () => {
      objects.length = sinks.length = 0;
      for await (const { key: found, version, size } of store.list(bucket, prefix)) {
        const name = found.slice(folder.length);
        if (name.endsWith(`/${MARKER}`)) sinks.push(name.slice(0, -MARKER.length));
        if (!wanted(found) || isHidden(name)) continue;
        const listed = { version: versionOf(store, version), size };
        objects.push({ uri: objectUri(store.kind, { bucket, key: found }), name, listed });
      }
    },
    trying,
  );
  // Results of a run, this one's included, are not part of a manifest: they change while it is read.
  const isFolder = key === '' || key.endsWith('/');
  if (!isFolder) return { uri, several: true, objects };
  const sources = objects.filter(({ name }) => !sinks.some((sink) => name.startsWith(sink)));
  return { uri, several: true, objects: sources };
}

const versionOf = ({ kind }: ObjectStore, version: string) =>
  `${kind === 's3' ? 'etag' : 'generation'}:${version}`;

/** As on disk, names that start with a dot are skipped. So are empty objects that stand for folders. */
const isHidden = (name: string) => name.endsWith('/') || name.split('/').some((part) => part.startsWith('.'));

async function stat(uri: string, options: OpenOptions): Promise<ObjectStat> {
  const { place, store } = await opened(uri, options);
  const found = await retried(uri, () => store.head(place, options.signal), {
    signal: options.signal,
    waits: options.objectStores?.waits,
  });
  return {
    ...found,
    version: versionOf(store, found.version),
    ranges: found.ranges ?? true,
  };
}

async function* openRange(source: Source, start: number, options: ReadOptions): AsyncIterable<Uint8Array> {
  const { place, store } = await opened(source.uri, options);
  const body = (at: number) => bodyFrom(store, place, source, at, options.signal);
  yield* reopening(source.uri, source.size, start, body, {
    signal: options.signal,
    waits: options.objectStores?.waits,
  });
}

async function* bodyFrom(
  store: ObjectStore,
  place: ObjectPlace,
  source: Source,
  at: number,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  const version = source.version.slice(source.version.indexOf(':') + 1);
  try {
    yield* store.read(place, at, version, signal);
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    if (error.trouble === 'gone') throw sourceChanged(source.uri, 'it is gone, or was written again');
    if (error.trouble === 'changed') throw sourceChanged(source.uri, 'it was written again');
    throw error;
  }
}
