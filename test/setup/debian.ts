import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Debian packages, unpacked without root into the user's cache the first time. Resolves to the root of their files.
 *
 * @param download puts the packages into `debs/` of the folder that it is given, and keeps apt's lists in `lists/`
 */
export async function unpackedDebian(
  name: string,
  download: (work: string) => Promise<void>,
): Promise<string> {
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'asg-ingest');
  const home = path.join(cache, name);
  const there = await access(home).then(
    () => true,
    () => false,
  );
  if (there) return home;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(path.join(cache, 'unpack-'));
  try {
    for (const folder of ['lists/partial', 'debs/partial', 'root'])
      await mkdir(path.join(work, folder), { recursive: true });
    await download(work);
    const root = path.join(work, 'root');
    for (const deb of (await readdir(path.join(work, 'debs'))).filter((file) => file.endsWith('.deb')))
      await run('dpkg', ['-x', path.join(work, 'debs', deb), root]);
    // Another process that unpacks at the same time makes the same tree. The first one's tree stays.
    await rename(root, home).catch(() => access(home));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return home;
}

/** Options that keep apt's state and what it downloads in the work folder, so that it needs neither root nor the system's lists. */
export const aptOptions = (work: string, ...more: string[]): string[] =>
  [
    ...more,
    `Dir::State::lists=${work}/lists`,
    `Dir::Cache::archives=${work}/debs`,
    'Dir::Cache::pkgcache=',
    'Dir::Cache::srcpkgcache=',
    'Debug::NoLocking=1',
    'APT::Sandbox::User=root',
  ].flatMap((setting) => ['-o', setting]);
