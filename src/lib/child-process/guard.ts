import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { lstat, readFile, rm, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gone, isRunning } from './process-identity.js';

const run = promisify(execFile);

const MAX_LOG_BYTES = 1 << 20;
const STOP_MS = 30_000;

/** The files by which the users of one server find each other; all belong to one server. */
export interface GuardFiles {
  /** The users hold its write end, the guard its read end. */
  fifo: string;
  /** The guard's pid and the server's, written by the guard. */
  pids: string;
  /** The server's output. */
  log: string;
  /** Leftovers of a killed server, such as its socket. */
  leftover?: string;
  /** A part of the server's command line by which it is known. */
  mark: string;
}

export interface Command {
  path: string;
  args: string[];
  /** Names of the environment's variables that it is given besides the common ones. A trailing `*`: all that begin so. */
  env?: readonly string[];
}

/** Variables any program may need. The rest of this process's environment holds secrets. */
const COMMON_ENV = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'LC_*', 'LD_LIBRARY_PATH'];

const envOf = ({ env = [] }: Command) => {
  const wanted = [...COMMON_ENV, ...env];
  const isWanted = (name: string) =>
    wanted.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isWanted(name)));
};

/**
 * `read` is the shell's own, so that the read end dies with the guard and with nothing else. It returns false when the
 * last writer is gone. A server that ends by itself sets the trap; the users' heartbeats turn the loop for shells in
 * which a trap waits for `read`. Standard input is closed before the server gets SIGTERM: from then on no one joins.
 */
const SCRIPT = `
pids=$1; leftover=$2; shift 2
trap '' HUP INT
if setpriv --pdeathsig TERM true 2>/dev/null; then set -- setpriv --pdeathsig TERM "$@"; fi
stopped=
trap 'stopped=1' CHLD TERM
"$@" </dev/null &
server=$!
echo "$$ $server" >"$pids"
while [ -z "$stopped" ] && read -r beat; do :; done
trap - CHLD
trap '' TERM
exec </dev/null
kill -TERM "$server" 2>/dev/null
wait "$server"
rm -f -- "$pids" "$leftover"
`;

/** Joins as a user: the write end of the FIFO, or undefined when no guard has it open. */
export function joinGuard(files: GuardFiles): number | undefined {
  try {
    return openSync(files.fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, 'ENXIO', 'ENOENT')) return undefined;
    throw error;
  }
}

/** Shows the guard that this user lives, and the user whether the guard does. */
export function heartbeat(writer: number): boolean {
  try {
    writeSync(writer, '\n');
    return true;
  } catch (error) {
    if (hasCode(error, 'EAGAIN')) return true; // The pipe is full: the guard is slow, not gone.
    if (hasCode(error, 'EPIPE')) return false;
    throw error;
  }
}

/** Starts the server under a new guard, and returns the first user's write end. Only under the start lock, when no guard is left. */
export async function startGuard(files: GuardFiles, command: Command): Promise<number> {
  await makeFifo(files.fifo);
  const logFlags = await stat(files.log).then(
    ({ size }) => (size > MAX_LOG_BYTES ? 'w' : 'a'),
    () => 'a',
  );
  // With both ends open neither of the next two waits, so that a starter that dies here leaves no one waiting either.
  const both = openSync(files.fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const reader = openSync(files.fifo, constants.O_RDONLY);
  const writer = openSync(files.fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  const log = openSync(files.log, logFlags, 0o600);
  closeSync(both);
  try {
    const args = [
      '-c',
      SCRIPT,
      'asg-ingest-guard',
      files.pids,
      files.leftover ?? '',
      command.path,
      ...command.args,
    ];
    // A session of its own: Ctrl-C in the terminal is for the users, not for the server that they share.
    const guard = spawn('/bin/sh', args, {
      cwd: '/',
      env: envOf(command),
      detached: true,
      stdio: [reader, log, log],
    });
    await once(guard, 'spawn');
    guard.unref();
    return writer;
  } catch (error) {
    closeSync(writer);
    throw error;
  } finally {
    closeSync(reader);
    closeSync(log);
  }
}

/**
 * Waits until a guard on its way out and a server that outlived its guard have ended (the latter gets a signal), and
 * removes their leftovers. Both must be gone: a late guard would remove the files of its successor.
 *
 * @returns the pid of the one that has not ended within 30 s, if any.
 */
export async function endLeftovers(files: GuardFiles): Promise<number | undefined> {
  const text = await readFile(files.pids, 'utf8').catch(() => '');
  const [guard, server] = text.trim().split(' ').map(Number);
  if (server && !(guard && (await isRunning(guard, files.pids))) && (await isRunning(server, files.mark))) {
    requestStop(server);
  }
  if (guard && !(await gone(guard, files.pids, STOP_MS))) return guard;
  if (server && !(await gone(server, files.mark, STOP_MS))) return server;
  await rm(files.pids, { force: true });
  if (files.leftover !== undefined) await rm(files.leftover, { force: true });
  return undefined;
}

function requestStop(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

async function makeFifo(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFIFO()) return;
  await rm(path, { force: true });
  await run('mkfifo', ['-m', '600', path]);
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
