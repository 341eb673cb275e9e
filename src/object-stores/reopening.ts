import { setTimeout as sleep } from 'node:timers/promises';
import { IngestError, type IngestErrorCode } from '../errors.js';
import { ObjectStoreError } from './object-store.js';

/** Tries in a row that brought no byte, after which a source is given up. */
const TRIES = 6;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

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
  signal: AbortSignal | undefined,
  code: IngestErrorCode = 'manifest',
): AsyncIterable<Uint8Array> {
  let at = start;
  for (let failures = 0; size === null || at < size; ) {
    try {
      for await (const chunk of open(at)) {
        at += chunk.length;
        failures = 0;
        yield chunk;
      }
      if (size !== null && at < size) throw new Error(`the body ended at byte ${at} of ${size}`);
      return;
    } catch (error) {
      failures += 1;
      await backOff(name, failures, error, signal, code);
    }
  }
}

/** The same for one answer. */
export async function retried<T>(
  name: string,
  signal: AbortSignal | undefined,
  act: () => Promise<T>,
  code: IngestErrorCode = 'manifest',
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await act();
    } catch (error) {
      await backOff(name, failures, error, signal, code);
    }
  }
}

/** Waits before the next try; rethrows what another try cannot change. */
async function backOff(
  name: string,
  failures: number,
  error: unknown,
  signal: AbortSignal | undefined,
  code: IngestErrorCode,
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
  const most = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures);
  await sleep(most / 2 + (Math.random() * most) / 2, undefined, signal === undefined ? {} : { signal });
}
