import { setTimeout as sleep } from 'node:timers/promises';
import { IngestError, type IngestErrorCode } from '../errors.js';
import type { Waits } from '../waits.js';
import { ObjectStoreError } from './object-store.js';

/** Tries in a row that brought no byte, after which a source is given up. */
const TRIES = 6;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

export interface TryingOptions {
  signal?: AbortSignal | undefined;
  /** The code of the error after the last try. Default `manifest`. */
  code?: IngestErrorCode;
  /** Called while a source is tried again. */
  waits?: Waits | undefined;
}

/**
 * A source's bytes from `start` to its end, over as many connections as that takes: each one begins at the byte that
 * the last one reached. An `IngestError` of `open` is final, and so is what a store says of itself or of the object;
 * anything else is tried again.
 */
export async function* reopening(
  name: string,
  size: number | null,
  start: number,
  open: (at: number) => AsyncIterable<Uint8Array>,
  options: TryingOptions = {},
): AsyncIterable<Uint8Array> {
  let at = start;
  for (let failures = 0; size === null || at < size; ) {
    try {
      for await (const chunk of failWhenSilent(open(at))) {
        at += chunk.length;
        if (failures > 0) options.waits?.clear('source');
        failures = 0;
        yield chunk;
      }
      if (size !== null && at < size) throw new Error(`the body ended at byte ${at} of ${size}`);
      return;
    } catch (error) {
      failures += 1;
      await backOff(name, failures, error, options);
    }
  }
}

/** No byte came for this time, while one is awaited: the connection is dead. */
const SILENT_MS = 25_000;

async function* failWhenSilent(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  let silent = false;
  try {
    for (;;) {
      const next = await within(iterator.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // While its `next` is not back this would not come back either.
    const ended = iterator.return?.().catch(() => undefined);
    if (!silent) await ended;
  }

  function within<T>(doing: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        silent = true;
        reject(new Error(`no byte for ${SILENT_MS / 1000} s`));
      }, SILENT_MS);
      doing.finally(() => clearTimeout(timer)).then(resolve, reject);
    });
  }
}

/** The same for one answer. */
export async function retried<T>(
  name: string,
  act: () => Promise<T>,
  options: TryingOptions = {},
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      const answer = await act();
      if (failures > 1) options.waits?.clear('source');
      return answer;
    } catch (error) {
      await backOff(name, failures, error, options);
    }
  }
}

/** Waits before the next try; rethrows what another try cannot change. */
async function backOff(
  name: string,
  failures: number,
  error: unknown,
  { signal, code = 'manifest', waits }: TryingOptions,
): Promise<void> {
  signal?.throwIfAborted();
  if (error instanceof IngestError) throw error;
  if (error instanceof ObjectStoreError && error.trouble !== 'temporary')
    throw new IngestError(code, error.message, { hint: error.hint, cause: error });
  if (failures >= TRIES) {
    const { message, hint } = error as { message?: string; hint?: string };
    throw new IngestError(code, `${name} cannot be read: ${message ?? error} (${TRIES} tries)`, {
      hint: hint ?? 'Check the server and the network.',
      cause: error,
    });
  }
  waits?.set('source', `${name}: ${(error as Error).message ?? error}; it is read again`);
  const most = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures);
  await sleep(most / 2 + (Math.random() * most) / 2, undefined, signal === undefined ? {} : { signal });
}
