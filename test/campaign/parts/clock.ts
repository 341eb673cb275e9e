import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SOURCE = fileURLToPath(new URL('./clock.c', import.meta.url));
const BYTES = 8;

/** Builds the library that moves a program's clock; null without a C compiler: then no clock is set. */
export async function buildClock(): Promise<{ library: string; remove(): Promise<void> } | null> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-clock-'));
  const library = path.join(dir, 'clock.so');
  const remove = () => rm(dir, { recursive: true, force: true });
  try {
    await run('cc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE]);
    return { library, remove };
  } catch {
    await remove();
    return null;
  }
}

export interface Clock {
  env: Record<string, string>;
  /** Puts the clock so many seconds off the machine's. */
  step(seconds: number): Promise<void>;
}

export async function makeClock(library: string, file: string): Promise<Clock> {
  await writeFile(file, Buffer.alloc(BYTES));
  return {
    env: { LD_PRELOAD: library, CLOCK_OFFSET_FILE: file },
    async step(seconds) {
      const offset = Buffer.alloc(BYTES);
      offset.writeBigInt64LE(BigInt(Math.round(seconds * 1e6)));
      // Written in place: the program has mapped it.
      const handle = await open(file, 'r+');
      await handle.write(offset, 0, BYTES, 0);
      await handle.close();
    },
  };
}
