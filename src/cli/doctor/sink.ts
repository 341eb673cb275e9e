import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createObjectStores } from '../../lib/object-stores/index.js';
import type { Releasers } from '../../lib/releasers.js';
import { probeObjectPlace, resolveOut } from '../../results/sink.js';
import type { CommandContext } from '../program.js';
import { type Finding, failed } from './finding.js';
import { wayTo } from './gateway.js';
import { addressOf } from './manifest.js';

/** A file or an object is written and removed; the place itself is left as it was found. */
export async function checkSink({ settings, io }: CommandContext, releasers: Releasers): Promise<Finding[]> {
  const out = resolveOut(settings.out ?? 'out', io.cwd);
  const way = addressOf(out, settings);
  if (way === null) return [await checkDirectory(out.startsWith('file:') ? fileURLToPath(out) : out)];
  try {
    const objectStores = createObjectStores(settings);
    releasers.add(() => objectStores.close());
    const { checksums } = await probeObjectPlace(out, objectStores);
    return [
      wayTo('the sink', way),
      { what: 'sink', ok: true, found: `${out} can be written, read and removed` },
      ...(checksums === null
        ? []
        : [
            {
              what: 'checksum headers',
              ok: true,
              found: checksums
                ? 'the store takes them'
                : "the store refuses them; none are sent to it, as to no endpoint but Amazon's own",
            },
          ]),
    ];
  } catch (error) {
    return [wayTo('the sink', way), failed('sink', error)];
  }
}

/** In the directory, or in the one that it would be made in: a file is written, synced and renamed. */
async function checkDirectory(out: string): Promise<Finding> {
  for (let dir = out; ; dir = path.dirname(dir)) {
    try {
      const probe = await mkdtemp(path.join(dir, '.asg-ingest-'));
      try {
        const synced = await tryFiles(probe);
        return {
          what: 'sink',
          ok: true,
          found: `${out} can be written; files are synced and renamed${synced}`,
        };
      } finally {
        await rm(probe, { recursive: true });
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && dir !== path.dirname(dir)) continue;
      return {
        ...failed('sink', new Error(`${out} cannot be written: ${(error as Error).message}`)),
        hint: 'make the directory writable, or give another --out',
      };
    }
  }
}

async function tryFiles(dir: string): Promise<string> {
  const file = await open(path.join(dir, 'a'), 'w');
  try {
    await file.writeFile('asg-ingest');
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(path.join(dir, 'a'), path.join(dir, 'b'));
  const handle = await open(dir, 'r').catch(() => null);
  const problem = await handle?.sync().then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code,
  );
  await handle?.close();
  return problem === null ? '' : ` (the mount cannot sync directories: ${problem ?? 'not readable'})`;
}
