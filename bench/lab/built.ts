/** What is measured is the built package: it must be there, and be made of this tree's sources as they are. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DIST, MAIN } from './program.js';

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

export async function assertBuilt(): Promise<void> {
  const built = await stat(MAIN).catch(() => null);
  if (!built) throw new Error(`${DIST} has no built package: npm run build`);
  if (process.env.BENCH_DIST !== undefined) return;
  for (const file of await readdir(SOURCES, { recursive: true })) {
    const { mtimeMs } = await stat(path.join(SOURCES, file));
    if (mtimeMs > built.mtimeMs) throw new Error(`src/${file} is newer than what was built: npm run build`);
  }
}
