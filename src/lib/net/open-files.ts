import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { usageError } from '../errors.js';

/** A process' needs beside its calls: Redis' connections, files, ports, Node's own handles. */
export const RESERVED_FILES = 80;
const LEAST_CALLS = 4;

/** How many files and connections this process may have open; null where that is not known. */
export async function openFilesLimit(): Promise<number | null> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => null);
  if (text !== null) return parsed(/^Max open files\s+(\S+)/m.exec(text)?.[1]);
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: string | number } } };
  return parsed(report.userLimits?.open_files?.soft);
}

function parsed(limit: string | number | undefined): number | null {
  const count = Number(limit);
  return Number.isSafeInteger(count) && count > 0 ? count : null;
}

/**
 * Call it before many modules are loaded, since loading opens files too.
 *
 * @throws IngestError `usage` when this process has none to spare for calls
 */
export async function refuseTooFewFiles(): Promise<void> {
  const limit = await openFilesLimit();
  const least = RESERVED_FILES + LEAST_CALLS;
  if (limit !== null && limit < least)
    throw usageError('ulimit -n', `this process may have ${limit} files open, and needs ${least} at least`, {
      hint: 'raise it in the shell or the service that starts it: ulimit -n 4096',
    });
}

/** The calls in flight that this process has the file descriptors for: `wanted`, or fewer, with a warning. */
export async function withinOpenFiles(wanted: number, log: Logger): Promise<number> {
  const limit = await openFilesLimit();
  const room = limit === null ? wanted : Math.max(1, limit - RESERVED_FILES);
  if (room >= wanted) return wanted;
  log.warn(
    `--concurrency ${wanted} is taken as ${room}: this process may have ${limit} files open (ulimit -n), and each call in flight is one`,
  );
  return room;
}
