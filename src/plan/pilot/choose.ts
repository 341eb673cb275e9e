import type { ObjectStores } from '../../lib/object-stores/index.js';
import { type Manifest, readLines } from '../../manifest/index.js';
import type { Chosen } from '../../runs/pilot-lines.js';
import { randomOf } from '../sample-blocks.js';
import { createSpread } from './spread.js';

/**
 * Reads the whole manifest, for the numbers of its lines are part of their keys, and chooses `wanted` of them. The same
 * version of a manifest gives the same lines.
 */
export async function chooseLines(
  manifest: Manifest,
  wanted: number,
  options: { objectStores: ObjectStores; signal?: AbortSignal },
): Promise<Chosen> {
  const random = randomOf(manifest);
  const spread = createSpread(wanted, manifest.sources.length, random);
  for (const source of manifest.sources)
    for await (const batch of readLines(source, { line: 0, offset: 0 }, options))
      for (const { line, end, bytes, text, problem } of batch)
        if (problem !== undefined || (text !== null && text.trim() !== ''))
          spread.add(source.index, line, end - bytes);
  return spread.chosen();
}
