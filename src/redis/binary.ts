import { execFile } from 'node:child_process';
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { IngestError } from '../lib/errors.js';

const run = promisify(execFile);

/** The oldest Redis that every command of the pipeline (and BullMQ 6) works on. */
const MINIMUM: Version = [6, 2];

type Version = readonly [major: number, minor: number];

/** A server program that was run once to learn its version. */
export interface RedisServer {
  path: string;
  product: 'redis' | 'valkey';
  version: Version;
}

export interface FindOptions {
  /** The environment of `ASG_REDIS_SERVER`, `PATH` and `XDG_CACHE_HOME`. Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
  log?: Logger;
}

/**
 * Finds a redis-server ≥ 6.2 or a valkey-server: `ASG_REDIS_SERVER`, else the PATH, else Debian's package, unpacked
 * without root into the user's cache (once; about two seconds).
 *
 * @throws IngestError `redis` when there is none: the hint says what to install.
 */
export async function findRedisServer(options: FindOptions = {}): Promise<RedisServer> {
  const env = options.env ?? process.env;
  if (env.ASG_REDIS_SERVER) return await chosenServer(env.ASG_REDIS_SERVER);
  return (await serverOnPath(env, options.log)) ?? (await serverFromDebian(env, options.log));
}

async function chosenServer(path: string): Promise<RedisServer> {
  const server = await inspect(path).catch((cause: unknown) => {
    throw noServer(`ASG_REDIS_SERVER names ${path}, which cannot be run`, cause);
  });
  if (!isRecent(server)) {
    throw noServer(
      `ASG_REDIS_SERVER names ${path}, version ${server.version.join('.')}; 6.2 or newer is needed`,
    );
  }
  return server;
}

async function serverOnPath(env: NodeJS.ProcessEnv, log?: Logger): Promise<RedisServer | undefined> {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const path of ['redis-server', 'valkey-server'].flatMap((name) => folders.map((f) => join(f, name)))) {
    if (!(await isExecutable(path))) continue;
    const server = await inspect(path).catch(() => undefined);
    if (server && isRecent(server)) return server;
    log?.warn(
      { path, version: server?.version.join('.') },
      'this redis-server is too old or broken; looking further',
    );
  }
  return undefined;
}

async function serverFromDebian(env: NodeJS.ProcessEnv, log?: Logger): Promise<RedisServer> {
  const cache = join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'asg-ingest', 'redis');
  const home = join(cache, 'debian');
  const path = join(home, 'redis-server');
  const cached = await inspect(path).catch(() => undefined);
  if (cached && isRecent(cached)) return cached;
  log?.info({ cache }, 'no redis-server on the PATH: unpacking the Debian package into the cache');
  try {
    await mkdir(cache, { recursive: true });
    const work = await mkdtemp(join(cache, 'unpack-'));
    try {
      await unpack(work, { ...env, LC_ALL: 'C' });
      await inspect(join(work, 'redis-server'));
      await publish(work, home);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    const server = await inspect(path);
    if (isRecent(server)) return server;
    throw new Error(`Debian has version ${server.version.join('.')}; 6.2 or newer is needed`);
  } catch (cause) {
    throw noServer('no redis-server was found, and the Debian package could not be unpacked', cause);
  }
}

/** Downloads the packages with apt's state kept inside `work`, so that neither root nor the system's lists are needed. */
async function unpack(work: string, env: NodeJS.ProcessEnv): Promise<void> {
  const lists = join(work, 'lists');
  const debs = join(work, 'debs');
  const root = join(work, 'root');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(debs);
  const state = [`Dir::State::lists=${lists}`, 'Dir::Cache::pkgcache=', 'Dir::Cache::srcpkgcache='];
  const settings = [...state, 'Debug::NoLocking=1', 'APT::Sandbox::User=root'].flatMap((o) => ['-o', o]);
  await run('apt-get', ['-qq', ...settings, 'update'], { env });
  const listed = await run(
    'apt-cache',
    [...settings, 'depends', '--no-suggests', '--no-recommends', 'redis-server', 'redis-tools'],
    { env },
  );
  const missing = await missingLibraries(listed.stdout, env);
  await run('apt-get', ['-qq', ...settings, 'download', 'redis-server', 'redis-tools', ...missing], {
    cwd: debs,
    env,
  });
  for (const deb of await readdir(debs)) await run('dpkg', ['-x', join(debs, deb), root], { env });
  await writeFile(join(work, 'redis-server'), await wrapper(root));
  await chmod(join(work, 'redis-server'), 0o755);
  await Promise.all([lists, debs].map((folder) => rm(folder, { recursive: true })));
}

/** Libraries that the packages depend on and the system lacks. Never libc: it must match the system's loader. */
async function missingLibraries(depends: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const names = [...depends.matchAll(/^\s*\|?Depends: (lib[\w.+-]+)$/gm)].map((match) => match[1] ?? '');
  const libraries = [...new Set(names)].filter((name) => name !== 'libc6');
  const installed = await Promise.all(
    libraries.map((name) =>
      run('dpkg-query', ['-s', name], { env }).then(
        ({ stdout }) => stdout.includes('Status: install ok installed'),
        () => false,
      ),
    ),
  );
  return libraries.filter((_, at) => !installed[at]);
}

/** A shell script that starts the server with its own libraries. It works from any folder. */
async function wrapper(root: string): Promise<string> {
  const files = await readdir(root, { recursive: true });
  const folders = new Set(files.filter((file) => /\.so[.\d]*$/.test(file)).map((file) => dirname(file)));
  const paths = [...folders].map((folder) => `$here/root/${folder}`).join(':');
  const lines = ['#!/bin/sh', `here=\${0%/*}`];
  if (paths !== '')
    lines.push(`LD_LIBRARY_PATH="${paths}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`, 'export LD_LIBRARY_PATH');
  return `${[...lines, 'exec "$here/root/usr/bin/redis-server" "$@"'].join('\n')}\n`;
}

/** Two processes may unpack at once: the second one finds a working copy and drops its own. */
async function publish(work: string, home: string): Promise<void> {
  try {
    await rename(work, home);
  } catch (error) {
    const working = await inspect(join(home, 'redis-server')).catch(() => undefined);
    if (working) return;
    await rm(home, { recursive: true, force: true });
    await rename(work, home).catch(() => {
      throw error;
    });
  }
}

async function inspect(path: string): Promise<RedisServer> {
  const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
  const match = /^(Redis|Valkey) server v=(\d+)\.(\d+)/.exec(stdout);
  if (!match) throw new Error(`${path} --version does not answer as a Redis server does`);
  return {
    path,
    product: match[1] === 'Valkey' ? 'valkey' : 'redis',
    version: [Number(match[2]), Number(match[3])],
  };
}

function isRecent({ version: [major, minor] }: RedisServer): boolean {
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function noServer(message: string, cause?: unknown): IngestError {
  const hint =
    'Install Redis 6.2 or newer (apt-get install redis-server, brew install redis), or run ' +
    '"docker run -d -p 127.0.0.1:6379:6379 redis:7" and add --redis-url redis://127.0.0.1:6379';
  return new IngestError('redis', message, { hint, cause });
}
