import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { MARKER } from '../../lib/result-file-names.js';

/**
 * The files under a folder, at any depth, by their relative names, in name order. Names that start with a dot are
 * skipped. So are folders that hold a run's results, this run's included: they change while the manifest is read.
 */
export async function filesUnder(folder: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    const entries = await readdir(path.join(folder, prefix), { withFileTypes: true });
    if (prefix !== '' && entries.some(({ name }) => name === MARKER)) return;
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const name = path.posix.join(prefix, entry.name);
      // Linked folders are not followed: they may lead back up.
      if (entry.isDirectory()) await walk(name);
      else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(path.join(folder, name)))))
        found.push(name);
    }
  };
  await walk('');
  return found.sort(byName);
}

/** A `*` at the end matches anything, one before it anything but a slash. Takes time linear in the name's length. */
export async function matcherOf(pattern: string): Promise<(name: string) => boolean> {
  // Loaded only where there is a pattern.
  const { RE2JS } = await import('re2js');
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const last = parts.pop() ?? '';
  const head = parts.join('[^/]*');
  const whole = parts.length === 0 ? last : `${head}${last === '' ? '.*' : `[^/]*${last}`}`;
  const matcher = RE2JS.compile(whole, RE2JS.DOTALL);
  return (name) => matcher.matches(name);
}

/**
 * The files directly in a folder whose names match a pattern with `*`. Names that start with a dot only match a pattern
 * that does.
 */
export async function filesWith(folder: string, pattern: string): Promise<string[]> {
  const matches = await matcherOf(pattern);
  const found: string[] = [];
  for (const { name } of await readdir(folder, { withFileTypes: true })) {
    if (name.startsWith('.') && !pattern.startsWith('.')) continue;
    if (matches(name) && (await isFile(path.join(folder, name)))) found.push(name);
  }
  return found.sort(byName);
}

const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const isFile = (file: string) =>
  stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
