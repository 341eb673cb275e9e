import type { Logger } from 'pino';
import type { ObjectStores } from '../../lib/object-stores/index.js';
import { openSink, type Sink } from '../../results/sink.js';
import type { RunRecord } from '../../runs/record.js';
import { type KnownRows, readEarlier } from './known-rows.js';

/** The lines that earlier runs have settled, read at the first request. */
export interface Earlier {
  /** Null when the signal ended the reading. */
  load(signal?: AbortSignal): Promise<KnownRows | null>;
  /** Frees memory and disk; a later request reads again. */
  forget(): Promise<void>;
}

/** The source of earlier results. */
export interface ResultPlaces {
  objectStores: ObjectStores;
  openSink?: (out: string) => Sink;
  log: Logger;
}

/** Undefined for a run without `--since`. */
export function openEarlier(places: ResultPlaces, { id, since }: RunRecord): Earlier | undefined {
  if (since === undefined) return undefined;
  let reading: Promise<KnownRows | null> | undefined;

  async function read(signal: AbortSignal | undefined): Promise<KnownRows | null> {
    const startedAt = performance.now();
    const known = await readEarlier(since?.earlier ?? [], {
      openSink: places.openSink ?? ((out) => openSink(out, places.objectStores)),
      carry: since?.carry ?? false,
      signal,
    });
    if (known !== null)
      places.log.info(
        { run: id, since: since?.run, lines: known.size, ms: Math.round(performance.now() - startedAt) },
        'what the earlier run has settled is known',
      );
    return known;
  }

  return {
    async load(signal) {
      const started = reading ?? read(signal);
      reading = started;
      const forget = () => {
        if (reading === started) reading = undefined;
      };
      const known = await started.catch((error: unknown) => {
        forget();
        throw error;
      });
      if (known === null) forget();
      return known;
    },
    async forget() {
      const known = await reading?.catch(() => null);
      reading = undefined;
      await known?.close();
    },
  };
}
