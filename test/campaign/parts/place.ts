import { execFile } from 'node:child_process';
import { cp, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The file system that a run's `--out` is on. */
export interface Place {
  out: string;
  /** Takes all the room there is; null where no file system of one's own can be had. */
  fill: (() => Promise<void>) | null;
  empty(): Promise<void>;
  /** The folder is away for a while, as when a disk is not mounted. */
  takeAway(): Promise<void>;
  putBack(): Promise<void>;
  /** @param keepIn a folder that what is in `out` is copied to */
  close(keepIn: string | null): Promise<void>;
}

const SIZE = '24m';
const CHUNK = Buffer.alloc(64 * 1024);

export async function makePlace(dir: string): Promise<Place> {
  await mkdir(dir, { recursive: true });
  // Needs root; anyone else does without the fault of a full sink.
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', dir]).then(
    () => true,
    () => false,
  );
  const out = path.join(dir, 'out');
  const away = path.join(dir, 'away');
  const filler = path.join(dir, 'filler');
  async function fill(): Promise<void> {
    const file = await open(filler, 'w');
    try {
      for (;;) await file.write(CHUNK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      await file.close();
    }
  }
  return {
    out,
    fill: mounted ? fill : null,
    empty: () => rm(filler, { force: true }),
    async takeAway() {
      // Not there before the run's first start.
      await mkdir(out, { recursive: true });
      await rename(out, away);
      await writeFile(out, 'not a folder');
    },
    async putBack() {
      await rm(out);
      await rename(away, out);
    },
    async close(keepIn) {
      if (keepIn !== null) await cp(out, path.join(keepIn, 'left'), { recursive: true, force: true });
      if (mounted) await run('umount', ['-l', dir]);
    },
  };
}
