import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { IngestError } from '../errors.js';
import {
  FEED,
  MARKER,
  type Marker,
  markerFor,
  ownerOf,
  parsePartName,
  type Sink,
  SUMMARY,
} from './sink-files.js';

/** What a file is called until it is whole. */
const besideName = (name: string) => `.${name}.${randomUUID()}.tmp`;
const BESIDE =
  /^\.(results-.+|failures-.+|summary\.json|_parts\.jsonl|\.asg-ingest\.json)\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** A directory as a sink: files are written beside, synced, and renamed into place. */
export function createDirSink(dir: string): Sink {
  const at = (name: string) => path.join(dir, name);

  async function writeWhole(
    name: string,
    bytes: AsyncIterable<Buffer> | Iterable<Buffer>,
    stands: () => Promise<void> = async () => {},
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
      await stands();
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
        await mkdir(dir, { recursive: true });
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
      // Whatever is still beside now was left by a writer that died: the run has ended.
      for (const name of await readdir(dir)) if (BESIDE.test(name)) await rm(at(name), { force: true });
      await writeWhole(SUMMARY, [Buffer.from(json)]);
    },
    writeFeed: (jsonl) => writeWhole(FEED, [Buffer.from(jsonl)]),
    readSummary: () => readIfThere(SUMMARY),
    removeSummary: () => rm(at(SUMMARY), { force: true }),
    async listParts(runId) {
      // Only a place that is not there holds no parts; one that cannot be looked into may hold some.
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

/** A rename is durable once its directory is. */
async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
