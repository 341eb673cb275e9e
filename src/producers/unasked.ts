import { usageError } from '../errors.js';
import { type Manifest, parseLine, readLines } from '../manifest/index.js';
import type { ObjectStores } from '../object-stores/index.js';

const LOOKED_AT = 100;

/**
 * A run that asks nothing, of a manifest whose lines ask nothing, would fail every line. Standard input is not looked
 * into: its first lines may be long in coming.
 *
 * @throws IngestError `usage` when none of the first lines has a label_spec.
 */
export async function refuseUnasked(manifest: Manifest, objectStores: ObjectStores): Promise<void> {
  const [source] = manifest.sources;
  if (source === undefined || source.spool !== undefined) return;
  let items = 0;
  reading: for await (const batch of readLines(source, { line: 0, offset: 0 }, { objectStores })) {
    for (const raw of batch) {
      const parsed = parseLine(raw);
      if (parsed.kind !== 'item') continue;
      if (parsed.item.label_spec !== undefined) return;
      items += 1;
      if (items === LOOKED_AT) break reading;
    }
  }
  if (items === 0) return;
  const lines = items === LOOKED_AT ? `the first ${items} lines` : 'the lines';
  throw usageError(
    '--question',
    `nothing is asked: neither the run nor ${lines} of ${source.name} say what`,
    {
      hint: 'add --question and --options, or --label-spec, or a label_spec to each line; nothing was sent',
    },
  );
}
