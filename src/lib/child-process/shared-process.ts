import { closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import lockfile from 'proper-lockfile';
import { IngestError, type IngestErrorCode } from '../errors.js';
import { type Command, endLeftovers, type GuardFiles, heartbeat, joinGuard, startGuard } from './guard.js';
import { privateDir } from './runtime-dir.js';

const HEARTBEAT_MS = 500;
const READY_MS = 120_000;
const ATTEMPTS = 3;
const MAX_RESTART_DELAY_MS = 10_000;

export interface SharedProcessSpec {
  /** Its name in messages: `redis-server`. */
  name: string;
  /** The code of the errors that it causes. */
  code: IngestErrorCode;
  /** A folder of its own, for the FIFO, the pid file, the lock and the log. */
  dir: string;
  /** A part of the server's command line that distinguishes it from a process with the same pid. */
  mark: string;
  /** Leftovers of a killed server, such as its socket. */
  leftover?: string;
  /** Called only when a server must be started, and by one process at a time. */
  command(): Promise<Command>;
  /** One quick try whether the server does its work. */
  ready(): Promise<boolean>;
}

export interface SharedProcess {
  /** Leaves the server to its other users; the last one's leaving stops it. Idempotent. */
  close(): Promise<void>;
}

/**
 * Joins the server of `spec.dir`, or starts it, and resolves when it is ready.
 *
 * Its lifetime. A *guard*, a small shell in a session of its own, is the server's parent and reads from a FIFO that
 * every user holds open for writing. The kernel closes a user's end however the user ends, `kill -9` included; when
 * the last one is closed the guard reads the end of the file, stops the server and removes its files. Should the guard
 * itself be killed, the kernel ends the server (`setpriv --pdeathsig`, where it exists; else the next start does).
 * Should the server end, the guard ends too. Each user's heartbeat, written to the FIFO, then fails, and the users
 * bring the server back, one of them starting it under a lock and the others joining, for as long as any is open.
 *
 * @throws IngestError with `spec.code` when the server does not start; the message has the end of its log.
 */
export async function openSharedProcess(spec: SharedProcessSpec, log: Logger): Promise<SharedProcess> {
  await privateDir(spec.dir, spec.code);
  const files: GuardFiles = {
    fifo: join(spec.dir, 'users'),
    pids: join(spec.dir, 'guard.pid'),
    log: join(spec.dir, `${spec.name}.log`),
    mark: spec.mark,
    ...(spec.leftover === undefined ? {} : { leftover: spec.leftover }),
  };
  let writer: number | undefined = await ensure(spec, files, log);
  let restoring: Promise<void> | undefined;
  const closing = new AbortController();

  const timer = setInterval(() => {
    if (writer === undefined || heartbeat(writer)) return;
    log.warn(`the local ${spec.name} has gone; bringing it back`);
    closeSync(writer);
    writer = undefined;
    restoring = restore();
  }, HEARTBEAT_MS);
  timer.unref();

  async function restore(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted && writer === undefined; attempt++) {
      try {
        writer = await ensure(spec, files, log, closing.signal);
      } catch (error) {
        if (closing.signal.aborted) return;
        log.error({ err: error }, `the local ${spec.name} does not come back; trying again`);
        const pause = Math.min(500 * 2 ** attempt, MAX_RESTART_DELAY_MS);
        await delay(pause, undefined, { signal: closing.signal }).catch(() => {});
      }
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    clearInterval(timer);
    await restoring;
    if (writer !== undefined) closeSync(writer);
    writer = undefined;
  }

  return { close };
}

/** Joins or starts under the lock; the write end that is returned has been seen with a live guard and a ready server. */
async function ensure(
  spec: SharedProcessSpec,
  files: GuardFiles,
  log: Logger,
  signal?: AbortSignal,
): Promise<number> {
  const unlock = await lock(spec, log);
  try {
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const joined = joinGuard(files);
      const writer = joined ?? (await start(spec, files, log));
      if (await becomesReady(writer, spec, signal)) return writer;
      closeSync(writer);
      // A guard that was joined on its way out is no failure of the server's.
      if (joined === undefined && attempt >= ATTEMPTS) throw await failure(spec, files);
    }
  } finally {
    await unlock();
  }
}

async function start(spec: SharedProcessSpec, files: GuardFiles, log: Logger): Promise<number> {
  const stuck = await endLeftovers(files);
  if (stuck !== undefined) {
    throw new IngestError(spec.code, `the local ${spec.name} of before (process ${stuck}) does not stop`, {
      hint: `End process ${stuck}, then try again.`,
    });
  }
  const writer = await startGuard(files, await spec.command());
  log.debug({ dir: spec.dir }, `started the local ${spec.name}`);
  return writer;
}

/** False when the guard ends first, which it does as soon as its server ends, or when the time is up. */
async function becomesReady(writer: number, spec: SharedProcessSpec, signal?: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline && !signal?.aborted) {
    const ready = await spec.ready();
    // Asked after the readiness: a guard that has begun to stop its server no longer reads.
    if (!heartbeat(writer)) return false;
    if (ready) return true;
    await delay(20);
  }
  return false;
}

async function lock(spec: SharedProcessSpec, log: Logger): Promise<() => Promise<void>> {
  const release = await lockfile
    .lock(spec.dir, {
      lockfilePath: join(spec.dir, 'start.lock'),
      realpath: false,
      stale: 5000,
      update: 1000,
      retries: {
        retries: 2 * (READY_MS / 100),
        factor: 1.2,
        minTimeout: 10,
        maxTimeout: 100,
        randomize: true,
      },
      onCompromised: (error) => log.warn({ err: error }, `lost the start lock of the local ${spec.name}`),
    })
    .catch((cause: unknown) => {
      throw new IngestError(spec.code, `the start lock of the local ${spec.name} cannot be taken`, { cause });
    });
  return () => release().catch(() => {}); // A lost lock has been reported already.
}

async function failure(spec: SharedProcessSpec, files: GuardFiles): Promise<IngestError> {
  const text = await readFile(files.log, 'utf8').catch(() => '');
  const tail = text.trimEnd().split('\n').slice(-5).join('\n');
  return new IngestError(
    spec.code,
    `the local ${spec.name} does not start: ${tail || 'it printed nothing'}`,
    {
      hint: `Its log is ${files.log}.`,
    },
  );
}
