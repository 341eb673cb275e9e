import { IngestError } from '../lib/errors.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import { type Manifest, openManifest } from '../manifest/index.js';
import type { RunRecord } from '../runs/record.js';

/**
 * The manifest of a run on record, to read missing lines from: another version's lines are not those that were bought.
 *
 * @throws IngestError `source_changed`
 */
export async function reopenManifest(
  { objectStores }: { objectStores: ObjectStores },
  { manifest: { uri, version } }: Pick<RunRecord, 'manifest'>,
): Promise<Manifest> {
  if (/^https?:.*\?…$/.test(uri))
    throw new IngestError('manifest', `${uri} cannot be read again: its query is not kept`, {
      hint: 'start the same `run` or `produce` again: it has the whole URL',
    });
  const manifest = await openManifest(uri, { objectStores });
  if (manifest.version === version) return manifest;
  throw new IngestError(
    'source_changed',
    `${uri} has changed since the run began; put it back and resume, or start a new run`,
  );
}
