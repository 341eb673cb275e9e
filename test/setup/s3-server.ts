import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { aptOptions, unpackedDebian } from './debian.js';
import { freePort } from './ports.js';
import { tries } from './tries.js';

const run = promisify(execFile);
const PACKAGES = ['python3-moto', 'python3-flask-cors', 'python3-yaml'];
const STARTUP_MS = 60_000;

export interface S3Server {
  endpoint: string;
  close(): Promise<void>;
}

const PORTS_TRIED = 3;

/**
 * A real S3 server (moto, of Debian trixie) on loopback, unpacked without root into the user's cache the first time.
 * Any credentials do; it keeps everything in memory.
 */
export async function startS3Server(): Promise<S3Server> {
  const root = await unpackedDebian('moto-trixie', download);
  for (let tried = 1; ; tried += 1) {
    const server = await startAt(root, await freePort());
    // Another process may take the port after it was found free.
    if (server !== null) return server;
    if (tried === PORTS_TRIED) throw new Error('the S3 test server found no port');
  }
}

/** Null when another process has the port. */
async function startAt(root: string, port: number): Promise<S3Server | null> {
  const lib = path.join(root, 'usr', 'lib', 'x86_64-linux-gnu');
  const python = path.join(root, 'usr', 'bin', 'python3.13');
  const server = spawn(
    path.join(root, 'usr', 'lib64', 'ld-linux-x86-64.so.2'),
    [
      '--library-path',
      lib,
      python,
      path.join(root, 'usr', 'bin', 'moto_server'),
      '-H',
      '127.0.0.1',
      '-p',
      `${port}`,
    ],
    {
      env: {
        PYTHONHOME: path.join(root, 'usr'),
        PYTHONPATH: path.join(root, 'usr', 'lib', 'python3', 'dist-packages'),
        PYTHONDONTWRITEBYTECODE: '1',
      },
      stdio: 'ignore',
    },
  );
  const endpoint = `http://127.0.0.1:${port}`;
  let [ended, isMoto] = [false, false];
  await tries(STARTUP_MS, async () => {
    ended = server.exitCode !== null;
    isMoto = /<ListAllMyBucketsResult/.test(
      await fetch(endpoint).then(
        (it) => it.text(),
        () => '',
      ),
    );
    return ended || isMoto;
  });
  if (ended || !isMoto) return null;
  return {
    endpoint,
    async close() {
      if (server.exitCode === null && server.kill('SIGKILL')) await once(server, 'exit');
    },
  };
}

/** All packages with their dependencies, libc too, as if nothing were installed: they run beside an older Debian. */
async function download(work: string): Promise<void> {
  await writeFile(path.join(work, 'status'), '');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(path.join(work, 's.list'), `deb [signed-by=${keyring}] ${await mirror()} trixie main\n`);
  const options = aptOptions(
    work,
    `Dir::Etc::sourcelist=${work}/s.list`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::status=${work}/status`,
  );
  await run('apt-get', [...options, '-qq', 'update']);
  await run('apt-get', [
    ...options,
    '-qq',
    '-y',
    '--no-install-recommends',
    '--download-only',
    'install',
    ...PACKAGES,
  ]);
}

/** The Debian mirror that this machine uses. */
async function mirror(): Promise<string> {
  const folder = '/etc/apt/sources.list.d';
  const files = (await readdir(folder).catch(() => [])).map((name) => path.join(folder, name));
  for (const file of [...files, '/etc/apt/sources.list']) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const uris = [...text.matchAll(/^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(\S+)/gm)].map(
      (match) => match[1] ?? '',
    );
    const found = uris.find((uri) => !uri.includes('security'));
    if (found !== undefined) return found;
  }
  throw new Error('this machine names no Debian mirror');
}
