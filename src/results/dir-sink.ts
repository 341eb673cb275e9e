import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { IngestError } from '../lib/errors.js';
import { FEED, MARKER, ownerOf, parsePartName, SUMMARY } from '../lib/result-file-names.js';
import { type Marker, markerFor } from '../runs/sink-marker.js';
import type { Sink } from './sink-interface.js';

/** The name of a file until it is whole. */
const besideName = (name: string) => `.${name}.${randomUUID()}.tmp`;
const BESIDE =
  /^\.(results-.+|failures-.+|summary\.json|_parts\.jsonl|\.asg-ingest\.json)\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** A directory as a sink: files are written beside, synced, and renamed into place. */
export function createDirSink(dir: string): Sink {
  const at = (name: string) => path.join(dir, name);

  async function writeWhole(
    name: string,
    bytes: AsyncIterable<Buffer> | Iterable<Buffer>,
    stillWanted: () => Promise<void> = async () => {},
  ): Promise<void> {
    const beside = at(besideName(name));
    try {
      // Never what somebody else has put there.
      const file = await open(beside, 'wx');
      try {
        for await (const chunk of bytes) await file.writeFile(chunk);
        await file.sync();
      } finally {
        await file.close();
      }
      await stillWanted();
      await rename(beside, at(name));
    } catch (error) {
      // A full disk would only get fuller with every try.
      await rm(beside, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncDir(dir);
  }

  const readIfThere = (name: string) =>
    readFile(at(name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
      throw error;
    });

  const marker = async () => {
    const text = await readIfThere(MARKER);
    return text === null ? null : (JSON.parse(text) as Marker);
  };

  return {
    kind: 'dir',
    readMarker: () => marker(),
    async claim(run, made) {
      try {
        await makeDir(dir);
        const owner = (await marker())?.run_id ?? ownerOf(await readdir(dir), run.id);
        if (owner !== null && owner !== run.id)
          throw new IngestError('usage', `--out: ${dir} holds the results of another run, ${owner}`, {
            hint: 'give this run a directory of its own',
          });
        await writeWhole(MARKER, [Buffer.from(JSON.stringify(markerFor(run, made)))]);
      } catch (error) {
        if (error instanceof IngestError) throw error;
        throw new IngestError('usage', `--out: cannot write to ${dir}: ${(error as Error).message}`, {
          cause: error,
          hint: 'nothing was sent; make the directory writable, or give another --out',
        });
      }
    },
    async sees(run) {
      const seen = await marker().catch(() => null);
      return seen?.run_id === run.id && seen.sink_id === run.sinkId;
    },
    writePart: writeWhole,
    async writeSummary(json) {
      // Files still beside now are from a writer that died: the run has ended.
      for (const name of await readdir(dir)) if (BESIDE.test(name)) await rm(at(name), { force: true });
      await writeWhole(SUMMARY, [Buffer.from(json)]);
    },
    writeFeed: (jsonl) => writeWhole(FEED, [Buffer.from(jsonl)]),
    readSummary: () => readIfThere(SUMMARY),
    removeSummary: () => rm(at(SUMMARY), { force: true }),
    async listParts(runId) {
      // Only a missing place holds no parts; one that cannot be read may hold some.
      const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      return names.filter((name) => parsePartName(name)?.runId === runId).sort();
    },
    readPart: (name) => createReadStream(at(name)),
    async setAside(name) {
      const aside = at('superseded');
      await mkdir(aside, { recursive: true });
      await rename(at(name), path.join(aside, name));
      await syncDir(dir);
    },
  };
}

/** The errors of mounts that have no fsync of directories (CIFS, vboxsf, FUSE), or none to read. */
const NO_DIRECTORY_SYNC = new Set([
  'EINVAL',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
  'EACCES',
  'ENOSYS',
  'EISDIR',
  'EBADF',
]);

/** A rename is durable once its directory is; where a mount cannot say so, it is as durable as the mount makes it. */
async function syncDir(dir: string): Promise<void> {
  try {
    const handle = await open(dir, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/**
 * Makes a directory and those above it, one at a time. Node's own way tries for ever where a parent is there and no
 * child can be made, as in `/proc`.
 */
async function makeDir(dir: string): Promise<void> {
  const found = await stat(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return null;
  });
  if (found !== null) {
    if (found.isDirectory()) return;
    throw new Error(`${dir} is a file`);
  }
  const link = await lstat(dir).catch(() => null);
  if (link !== null) throw new Error(`${dir} is a link to a place that is not there`);
  const parent = path.dirname(dir);
  if (parent !== dir) await makeDir(parent);
  await mkdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return;
    if (error.code === 'ENOENT') throw new Error(`no directory can be made in ${parent}`);
    throw error;
  });
}
