import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { IngestError } from '../lib/errors.js';
import {
  type ObjectPlace,
  type ObjectStore,
  ObjectStoreError,
  type ObjectStores,
  parseObjectUri,
  readText,
} from '../lib/object-stores/index.js';
import { reopening } from '../lib/object-stores/reopening.js';
import { FEED, MARKER, ownerOf, parsePartName, SUMMARY } from '../lib/result-file-names.js';
import { type Marker, markerFor } from '../runs/sink-marker.js';
import type { Sink } from './sink-interface.js';

/** How long a process trusts its last check of the marker; consumers ask every second. */
const SEEN_MS = 30_000;
const NOT_SEEN_MS = 5_000;
const MARK_TRIES = 10;
const MARK_PAUSE_MS = 200;

/** A prefix in S3 or Google Cloud Storage as a sink: an upload appears when it is complete, or never. */
export function createObjectSink(out: string, stores: ObjectStores): Sink {
  const { scheme, bucket, prefix, at } = placesUnder(out);
  const open = () => stores.of(scheme);
  let look = { seen: false, until: 0, of: '' };

  async function names(store: ObjectStore, start: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { key } of store.list(bucket, prefix + start, { flat: true }))
      found.push(key.slice(prefix.length));
    return found;
  }

  const marker = async (store: ObjectStore) => {
    const text = await readText(store, at(MARKER));
    return text === null ? null : (JSON.parse(text) as Marker);
  };

  /** With `create` the first of two runs that want the same place wins, where the store supports it. */
  async function mark(store: ObjectStore, run: Marker): Promise<Marker | null> {
    const text = JSON.stringify(run);
    for (let tries = 1; ; tries += 1) {
      if (await store.create(at(MARKER), text)) return null;
      const found = await marker(store);
      if (found !== null && found.run_id !== run.run_id) return found;
      // S3 answers so while another's creation is under way: it may come to nothing, or take the place.
      if (found === null && tries < MARK_TRIES) {
        await sleep(MARK_PAUSE_MS);
        continue;
      }
      await store.write(at(MARKER), once(text));
      return null;
    }
  }

  return {
    kind: scheme,

    readMarker: () => nothingSent(async () => marker(await open())),

    claim: (run, made) =>
      nothingSent(async () => {
        const store = await open();
        const known = await marker(store);
        const parts =
          known === null ? [...(await names(store, 'results-')), ...(await names(store, 'failures-'))] : [];
        const owner = known?.run_id ?? ownerOf(parts, run.id);
        const other =
          owner !== null && owner !== run.id ? owner : (await mark(store, markerFor(run, made)))?.run_id;
        if (other !== undefined)
          throw new IngestError('usage', `--out: ${out} holds the results of another run, ${other}`, {
            hint: 'give this run a prefix of its own',
          });
      }),

    async sees(run) {
      const now = Date.now();
      if (now < look.until && look.of === run.sinkId) return look.seen;
      const seen = await open()
        .then(marker)
        .then(
          (found) => found?.run_id === run.id && found.sink_id === run.sinkId,
          // A store in trouble is still this process' to write to: the flush says what is wrong with it.
          (error) => error instanceof ObjectStoreError && error.trouble === 'temporary',
        );
      look = { seen, until: now + (seen ? SEEN_MS : NOT_SEEN_MS), of: run.sinkId };
      return seen;
    },

    async writePart(name, bytes, stillWanted = async () => {}) {
      // An upload appears with its last byte: the question is asked before that one is sent.
      async function* checked() {
        yield* bytes;
        await stillWanted();
      }
      await (await open()).write(at(name), checked());
    },
    writeSummary: async (json) => (await open()).write(at(SUMMARY), once(json)),
    writeFeed: async (jsonl) => (await open()).write(at(FEED), once(jsonl)),
    readSummary: () => nothingSent(async () => readText(await open(), at(SUMMARY))),
    removeSummary: async () => (await open()).remove(at(SUMMARY)),

    async listParts(runId) {
      const store = await open();
      const found = [
        ...(await names(store, `failures-${runId}-`)),
        ...(await names(store, `results-${runId}-`)),
      ];
      return found.filter((name) => parsePartName(name)?.runId === runId).sort();
    },

    async *readPart(name) {
      const store = await open();
      const { version, size } = await store.head(at(name));
      const bodyFrom = (from: number) => store.read(at(name), from, version);
      const bytes = reopening(`${out}/${name}`, size, 0, bodyFrom, { code: 'sink' });
      for await (const chunk of bytes) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    },

    /** A copy, then a removal: repeated after a crash between the two, it ends the same. */
    async setAside(name) {
      const store = await open();
      await store.copy(at(name), at(`superseded/${name}`));
      await store.remove(at(name));
    },
  };
}

/** A fault of the place that is found before a run begins is a fault of `--out`. */
async function nothingSent<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    throw new IngestError('usage', `--out: ${error.message}; nothing was sent`, {
      hint: error.hint,
      cause: error,
    });
  }
}

/**
 * Proves that results could be kept under an `--out`: a small object is made, read and removed. Says too whether the
 * store takes checksum headers; null where none are spoken of.
 */
export async function probeObjectPlace(
  out: string,
  stores: ObjectStores,
): Promise<{ checksums: boolean | null }> {
  const { scheme, at } = placesUnder(out);
  const store = await stores.of(scheme);
  const place = at(`.asg-ingest-probe-${randomUUID()}`);
  await store.create(place, 'asg-ingest');
  await readText(store, place);
  const checksums = (await store.takesChecksums?.(place)) ?? null;
  await store.remove(place);
  return { checksums };
}

function placesUnder(out: string) {
  const place = parseObjectUri(out);
  if (place === null)
    throw new IngestError('usage', `--out: "${out}" names no bucket`, {
      hint: 'write it as s3://bucket/prefix',
    });
  const { bucket, scheme } = place;
  const prefix = place.key === '' || place.key.endsWith('/') ? place.key : `${place.key}/`;
  return { scheme, bucket, prefix, at: (name: string): ObjectPlace => ({ bucket, key: prefix + name }) };
}

async function* once(text: string): AsyncIterable<Buffer> {
  yield Buffer.from(text);
}
