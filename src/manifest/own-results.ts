import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseObjectUri } from '../lib/object-stores/index.js';
import { partName, SUMMARY } from '../lib/result-file-names.js';
import { matcherOf } from './sources/file-pattern.js';

const WRITTEN = [partName('results', 'r', 1, false), partName('failures', 'r', 1, true), SUMMARY];

/** Whether a manifest of several files would include the files that its run writes to `out`. */
export async function wouldReadOwnResults(spec: string, out: string, cwd: string): Promise<boolean> {
  const place = parseObjectUri(spec);
  const sink = parseObjectUri(out);
  if (place !== null || sink !== null) {
    if (place?.scheme !== sink?.scheme || place?.bucket !== sink?.bucket || place === null || sink === null)
      return false;
    if (place.key !== '' && !place.key.endsWith('/') && !place.key.includes('*')) return false;
    const prefix = sink.key === '' || sink.key.endsWith('/') ? sink.key : `${sink.key}/`;
    // A `*` at the end takes what is in any folder below.
    if (place.key.includes('*')) return anyMatch(place.key, prefix);
    // Below its folder a sink is known by its marker.
    return prefix === place.key;
  }
  if (/^https?:/i.test(spec) || spec === '-') return false;
  const given = spec.startsWith('file:') ? fileURLToPath(spec) : spec;
  const full = path.resolve(cwd, given);
  const target = out.startsWith('file:') ? fileURLToPath(out) : out;
  if (given.endsWith('/')) return full === path.resolve(target);
  if (!given.includes('*') || path.dirname(full) !== path.resolve(target)) return false;
  return anyMatch(path.basename(full), '');
}

async function anyMatch(pattern: string, prefix: string): Promise<boolean> {
  const matches = await matcherOf(pattern);
  return WRITTEN.some((name) => matches(prefix + name));
}
