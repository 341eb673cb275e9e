import { execFile } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { aptOptions, unpackedDebian } from './debian.js';

const run = promisify(execFile);

/** Most time for the download of Chromium; then the tests go without. */
export const DOWNLOAD_MS = 180_000;

/** A Chromium that can be started, and what it needs in its environment. */
export interface Chromium {
  executablePath: string;
  env: Record<string, string>;
}

/** Chromium without a window: all of it but what only people see, and started sooner. */
const NAME = 'chromium-headless-shell';

/** Chromium of the PATH, else Debian's, unpacked without root into the user's cache the first time. */
export async function findChromium(): Promise<Chromium> {
  const onPath = await run('sh', ['-c', `command -v ${NAME} || command -v chromium`]).catch(() => null);
  if (onPath !== null) return { executablePath: onPath.stdout.trim(), env: {} };
  const root = await unpackedDebian(NAME, download);
  const files = await readdir(root, { recursive: true });
  const folders = new Set(files.filter((file) => /\.so[.\d]*$/.test(file)).map((file) => path.dirname(file)));
  const fonts = await access(path.join(root, 'etc', 'fonts')).then(
    () => ({ FONTCONFIG_SYSROOT: root }),
    () => ({}),
  );
  return {
    executablePath: path.join(root, 'usr', 'lib', 'chromium', NAME),
    env: { LD_LIBRARY_PATH: [...folders].map((folder) => path.join(root, folder)).join(':'), ...fonts },
  };
}

/** Headless. As root, and where user namespaces are shut off, as in most containers, it can have no sandbox. */
export const startChromium = ({ executablePath, env }: Chromium): Promise<Browser> =>
  chromium.launch({
    executablePath,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    chromiumSandbox: false,
    args: ['--disable-dev-shm-usage', '--disable-gpu'],
  });

/** The package and those of its dependencies that the machine lacks; libc is always there. */
async function download(work: string): Promise<void> {
  const options = aptOptions(work);
  const install = ['-qq', '-y', '--no-install-recommends', '--download-only', 'install', NAME];
  const patience = { timeout: DOWNLOAD_MS / 2, maxBuffer: 16 << 20 };
  await run('apt-get', [...options, '-qq', 'update'], patience);
  await run('apt-get', [...options, ...install], patience);
}
