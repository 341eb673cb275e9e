import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat as statOf, utimes } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Source } from '../types.js';
import { chunks } from './file.js';
import { manifestError, type ObjectStat, type OpenOptions, type ReadOptions, type Store } from './store.js';

/**
 * Standard input can be read once, but a run reads its manifest several times. So the input is written to a spool
 * file first, `<spool>.part` until it is complete. A reading replays the spool, then goes on with the stream.
 */
export const stdinStore: Store = {
  list: async () => ({ uri: '-', several: false, objects: [{ uri: '-', name: '-' }] }),
  stat,
  openRange,
};

const SPOOL = 'stdin-';
/** A living process touches its spools this often; a spool untouched for `ORPHAN_MS` has no owner. */
const TOUCH_MS = 60_000;
const ORPHAN_MS = 60 * 60_000;

interface Live {
  stream: Readable;
  /** The first reader opens it. The next reader goes on where the last one stopped. */
  iterator?: AsyncIterator<Uint8Array | string>;
  /** A read in progress. It goes on when its reader was aborted. */
  next?: Promise<IteratorResult<Uint8Array | string>>;
  reading: boolean;
  /** Bytes in the spool. */
  kept: number;
}

/** The streams of this process that have not ended, by spool path. */
const live = new Map<string, Live>();
/** How to stop the touching of this process' spools, by path. */
const touching = new Map<string, NodeJS.Timeout>();

async function stat(_uri: string, { stdin = process.stdin, spoolDir }: OpenOptions): Promise<ObjectStat> {
  if ('isTTY' in stdin && stdin.isTTY === true) {
    throw manifestError(
      'standard input is a terminal',
      'Pipe the manifest in: zcat items.jsonl.gz | asg-ingest run -',
    );
  }
  const id = randomUUID();
  const folder = spoolDir ?? (await mkdtemp(path.join(os.tmpdir(), 'asg-ingest-')));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const spool = path.resolve(folder, `${SPOOL}${id}`);
  live.set(spool, { stream: stdin, reading: false, kept: 0 });
  const touch = () => {
    const now = new Date();
    for (const file of filesOf(spool)) utimes(file, now, now).catch(() => undefined);
  };
  touching.set(spool, setInterval(touch, TOUCH_MS).unref());
  return { version: `stdin:${id}`, size: null, ranges: false, head: new Uint8Array(), spool };
}

/** Removes what was kept of standard input, and reads no more of it: only the process that read it could go on with it. */
export async function removeSpools(sources: readonly Source[]): Promise<void> {
  for (const { spool } of sources) {
    if (spool === undefined) continue;
    const input = live.get(spool);
    // Otherwise the process that writes into the pipe would keep this one alive.
    input?.next?.catch(() => undefined);
    input?.stream.destroy();
    live.delete(spool);
    clearInterval(touching.get(spool));
    touching.delete(spool);
    await Promise.all(filesOf(spool).map((file) => rm(file, { force: true })));
  }
}

/** The folder where the commands of a data directory keep standard input. */
export const spoolDirOf = (dataDir: string) => path.join(dataDir, 'spool');

/** Removes the spools of killed processes. No resumed run needs them: all of standard input is piped in again. */
export async function removeOrphanSpools(spoolDir: string): Promise<void> {
  const names = await readdir(spoolDir).catch(() => []);
  for (const file of names
    .filter((name) => name.startsWith(SPOOL))
    .map((name) => path.join(spoolDir, name))) {
    const found = await statOf(file).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > ORPHAN_MS) await rm(file, { force: true });
  }
}

const filesOf = (spool: string) => [spool, `${spool}.part`];

async function* openRange(
  { spool }: Source,
  start: number,
  { signal }: ReadOptions,
): AsyncIterable<Uint8Array> {
  if (spool === undefined) throw manifestError('standard input was not kept', 'Give the manifest as a file.');
  const input = live.get(spool);
  if (input === undefined) return yield* replay(spool, start, signal);
  if (input.reading) throw manifestError('standard input is being read already');
  input.reading = true;
  try {
    yield* replayAndGoOn(spool, input, signal);
  } finally {
    input.reading = false;
  }
}

const PIPE_AGAIN = 'Pipe the whole manifest in again under the same --run-id: what has ended is skipped.';

async function* replay(spool: string, start: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  const handle = await open(spool, 'r').catch((cause: unknown) => {
    throw manifestError(
      'standard input cannot be read again: the process that read it ended before its end',
      PIPE_AGAIN,
      cause,
    );
  });
  try {
    yield* chunks(handle, spool, start, signal);
  } finally {
    await handle.close();
  }
}

async function* replayAndGoOn(spool: string, input: Live, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  const handle = await open(`${spool}.part`, 'a+', 0o600).catch((cause: Error) => {
    throw manifestError(
      `standard input cannot be kept in ${path.dirname(spool)}: ${cause.message}`,
      undefined,
      cause,
    );
  });
  try {
    // Set explicitly, since the umask may allow others to read.
    await handle.chmod(0o600);
    if ((await handle.stat()).size !== input.kept)
      throw manifestError(`${spool}.part does not hold what was kept of standard input`, PIPE_AGAIN);
    yield* chunks(handle, spool, 0, signal);
    input.iterator ??= input.stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array | string>;
    for (;;) {
      input.next ??= input.iterator.next();
      const next = await unlessAborted(input.next, signal);
      if (next.done === true) break;
      const chunk = Buffer.from(next.value);
      await handle.appendFile(chunk);
      input.kept += chunk.length;
      delete input.next;
      yield chunk;
    }
    if (input.kept === 0)
      throw manifestError('standard input is empty (0 bytes)', 'A manifest needs at least one line.');
    await rename(`${spool}.part`, spool);
    live.delete(spool);
  } finally {
    await handle.close();
  }
}

function unlessAborted<T>(doing: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return doing;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    doing.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
