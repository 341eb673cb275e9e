/** What is measured is the built package: it must be there, and be made of the sources as they are. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAIN } from './program.js';

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

export async function assertBuilt(): Promise<void> {
  const built = await stat(MAIN).catch(() => null);
  if (!built) throw new Error('the package is not built: npm run build');
  for (const file of await readdir(SOURCES, { recursive: true })) {
    const { mtimeMs } = await stat(path.join(SOURCES, file));
    if (mtimeMs > built.mtimeMs) throw new Error(`src/${file} is newer than what was built: npm run build`);
  }
}
