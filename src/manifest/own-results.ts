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
    const folder = place.key.slice(0, place.key.lastIndexOf('/', place.key.indexOf('*') >>> 0) + 1);
    const prefix = sink.key === '' || sink.key.endsWith('/') ? sink.key : `${sink.key}/`;
    // In a folder below, the marker shows that it is a sink.
    if (prefix !== folder) return false;
    return anyMatch(place.key.includes('*') ? place.key : `${place.key}*`, prefix);
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
