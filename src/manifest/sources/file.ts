import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Source } from '../types.js';
import { filesUnder, filesWith } from './file-pattern.js';
import {
  type Listing,
  manifestError,
  type ObjectStat,
  type OpenOptions,
  type ReadOptions,
  type Store,
  sourceChanged,
} from './store.js';

/** Larger chunks become strings outside V8's young heap. Parsing lines from them takes twice the time. */
const CHUNK_BYTES = 64 * 1024;
const HEAD_BYTES = 4;

export const fileStore: Store = { list, stat: statFile, openRange };

async function list(spec: string, { cwd = process.cwd() }: OpenOptions): Promise<Listing> {
  const given = spec.startsWith('file:') ? pathOfUrl(spec) : spec;
  const full = path.resolve(cwd, given);
  const isFolder = given.endsWith('/') || given.endsWith(path.sep);
  const uri = pathToFileURL(isFolder ? `${full}/` : full).href;
  if (isFolder) {
    const names = await explained(given, filesUnder(full));
    return {
      uri,
      several: true,
      objects: names.map((name) => ({ uri: fileUri(path.join(full, name)), name })),
    };
  }
  // A file name may contain a star. If the file exists, the name is meant literally.
  if (given.includes('*') && !(await exists(full))) {
    const [folder, pattern] = [path.dirname(full), path.basename(full)];
    if (folder.includes('*')) {
      throw manifestError(
        `${spec}: only the last part of a path may hold *`,
        'Give a directory with a trailing / to take all files under it.',
      );
    }
    const names = await explained(path.dirname(given), filesWith(folder, pattern));
    return {
      uri,
      several: true,
      objects: names.map((name) => ({ uri: fileUri(path.join(folder, name)), name })),
    };
  }
  return { uri, several: false, objects: [{ uri: fileUri(full), name: path.basename(full) }] };
}

async function statFile(uri: string): Promise<ObjectStat> {
  const file = fileURLToPath(uri);
  const found = await explained(file, stat(file, { bigint: true }));
  if (found.isDirectory())
    throw manifestError(`${file} is a directory`, `Add a / (${file}/) to take all files under it.`);
  if (!found.isFile())
    throw manifestError(`${file} is not a regular file`, 'Pipe it in and give - as the manifest.');
  const handle = await explained(file, open(file, constants.O_RDONLY));
  try {
    const { bytesRead, buffer } = await explained(
      file,
      handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0),
    );
    return {
      version: await versionOf(handle),
      size: Number(found.size),
      ranges: true,
      head: buffer.subarray(0, bytesRead),
    };
  } finally {
    await handle.close();
  }
}

async function* openRange(source: Source, start: number, { signal }: ReadOptions): AsyncIterable<Uint8Array> {
  const file = fileURLToPath(source.uri);
  const handle = await open(file, constants.O_RDONLY).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw sourceChanged(file, 'it is gone');
    throw fileError(file, cause);
  });
  try {
    await checkVersion(handle, file, source);
    yield* chunks(handle, file, start, signal);
    // A writer that changed it during the read must be noticed.
    await checkVersion(handle, file, source);
  } finally {
    await handle.close();
  }
}

/** A file's bytes from `start` to its end. */
export async function* chunks(
  handle: FileHandle,
  file: string,
  start: number,
  signal?: AbortSignal,
): AsyncIterable<Buffer> {
  for (let at = start; ; ) {
    signal?.throwIfAborted();
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await explained(file, handle.read(buffer, 0, CHUNK_BYTES, at));
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function versionOf(handle: FileHandle): Promise<string> {
  const { size, mtimeNs } = await handle.stat({ bigint: true });
  return `${size}-${mtimeNs}`;
}

async function checkVersion(handle: FileHandle, file: string, source: Source): Promise<void> {
  const version = await versionOf(handle);
  if (version === source.version) return;
  const size = Number(version.split('-')[0]);
  const what =
    size === source.size ? 'it was written again' : `it had ${source.size} bytes and has ${size} now`;
  throw sourceChanged(file, what);
}

const fileUri = (file: string) => pathToFileURL(file).href;
const exists = (file: string) =>
  stat(file).then(
    () => true,
    () => false,
  );

function pathOfUrl(spec: string): string {
  try {
    return fileURLToPath(spec);
  } catch (cause) {
    throw manifestError(
      `${spec} is not a file URL of this machine`,
      'Write it as file:///absolute/path.',
      cause,
    );
  }
}

const REASONS: Readonly<Record<string, readonly [problem: string, hint: string]>> = {
  ENOENT: ['does not exist', 'Check the path; a relative one starts at the working directory.'],
  ENOTDIR: ['is not a directory, or lies under a file', 'Check the path; a trailing / is for directories.'],
  EACCES: [
    'cannot be read: permission denied',
    'Let this user read it (chmod, chown), or run as one who may.',
  ],
  EISDIR: ['is a directory', 'Add a / to take all files under it.'],
  ELOOP: ['is a symbolic link that leads back to itself', 'Give the path of the file itself.'],
};

function fileError(file: string, cause: NodeJS.ErrnoException) {
  const [problem, hint] = REASONS[cause.code ?? ''] ?? [
    `cannot be read: ${cause.message}`,
    'Check the file and its disk.',
  ];
  return manifestError(`${file} ${problem}`, hint, cause);
}

const explained = <T>(file: string, doing: Promise<T>): Promise<T> =>
  doing.catch((cause: NodeJS.ErrnoException) => {
    throw fileError(file, cause);
  });
