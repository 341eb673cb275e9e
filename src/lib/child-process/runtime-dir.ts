import { createHash } from 'node:crypto';
import { lstat, mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IngestError, type IngestErrorCode } from '../errors.js';

/** `sockaddr_un` holds 104 bytes on macOS and 108 on Linux, the closing zero included. */
const MAX_SOCKET_PATH_BYTES = 100;

/**
 * Makes the data directory, ignored by git, and returns its real path: one directory has one name, however it is reached.
 * One in which another user could put folders in the place of ours is refused.
 */
export async function prepareDataDir(dataDir: string, code: IngestErrorCode): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(dataDir);
  const sticky = (mode & 0o1000) !== 0;
  // A container's root works in folders of its host's users.
  const ours = isMine(uid) || uid === 0 || isMine(0);
  if (!ours || ((mode & 0o002) !== 0 && !sticky)) throw notPrivate(dataDir, code);
  await writeFile(join(dataDir, '.gitignore'), '*\n', { flag: 'wx' }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    },
  );
  return await realpath(dataDir);
}

/**
 * Makes a directory that only this user may write to. A directory that somebody else has made, or may write to, is
 * refused: a user of its contents would hand over all runs.
 */
export async function privateDir(dir: string, code: IngestErrorCode): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // Somebody else's link may lead to a folder that is private indeed.
  const [named, { uid, mode }] = await Promise.all([lstat(dir), stat(dir)]);
  if (!isMine(named.uid) || !isMine(uid) || (mode & 0o022) !== 0) throw notPrivate(dir, code);
}

const isMine = (uid: number) => uid === (process.getuid?.() ?? uid);

const notPrivate = (dir: string, code: IngestErrorCode) =>
  new IngestError(code, `${dir} belongs to another user, or others may write to it`, {
    hint: 'Choose another data directory (--data-dir), or make it your own: chmod 700.',
  });

/** The path of a Unix socket that belongs to `dir`: inside it, or, when that is too long, in a private folder of the system's temporary one. */
export async function socketPathFor(dir: string, name: string): Promise<string> {
  const direct = join(dir, name);
  if (Buffer.byteLength(direct) <= MAX_SOCKET_PATH_BYTES) return direct;
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `asg-ingest-${uid}`);
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  // Anyone may create names in the temporary folder: a socket goes only where no one else can reach it.
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) {
    throw new IngestError('redis', `${folder} is not a private folder of this user`, {
      hint: 'Choose a data directory with a shorter path (--data-dir), or remove that folder.',
    });
  }
  return join(folder, `${createHash('sha256').update(direct).digest('hex').slice(0, 16)}.sock`);
}
