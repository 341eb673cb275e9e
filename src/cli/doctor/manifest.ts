import { createObjectStores } from '../../lib/object-stores/index.js';
import type { Releasers } from '../../lib/releasers.js';
import { openManifest } from '../../manifest/index.js';
import { safeUrl } from '../../manifest/sources/http-url.js';
import { checkFirstLines } from '../../producers/first-lines.js';
import { taskOptions } from '../../runs/from-settings.js';
import type { CommandContext } from '../program.js';
import { type Finding, failed } from './finding.js';
import { wayTo } from './gateway.js';

/** The question is a matter of `run`: only the lines are checked here. */
const SOMETHING_ASKED = { question: '-', options: [] };

export async function checkManifest(
  { args, io, settings }: CommandContext,
  releasers: Releasers,
): Promise<Finding[]> {
  const [spec] = args;
  if (spec === undefined || spec === '-') return [];
  const findings: Finding[] = [];
  try {
    const way = addressOf(spec, settings);
    if (way !== null) findings.push(wayTo('the manifest', way));
    const objectStores = createObjectStores(settings);
    releasers.add(() => objectStores.close());
    const manifest = await openManifest(spec, { cwd: io.cwd, objectStores });
    findings.push({
      what: 'manifest',
      ok: true,
      found: `${manifest.uri}, ${manifest.sources.length} source(s), ${manifest.bytes ?? '?'} bytes`,
    });
    const task = { ...taskOptions(settings), labelSpec: SOMETHING_ASKED };
    const { looked, rejected, example } = await checkFirstLines(manifest, task, { objectStores });
    findings.push({
      what: 'first lines',
      ok: rejected === 0 && looked > 0,
      found:
        looked === 0
          ? 'none could be read to its end'
          : rejected === 0
            ? `${looked} looked at, all good`
            : `${rejected} of ${looked} would fail: ${example}`,
      hint: 'correct them, or have them as failures',
    });
  } catch (error) {
    findings.push(failed('manifest', error));
  }
  return findings;
}

/** The address that is asked over HTTP; null for a file. */
export function addressOf(
  place: string,
  { s3Endpoint, gcsEndpoint }: { s3Endpoint: string | null; gcsEndpoint: string | null },
): string | null {
  if (/^https?:/i.test(place)) return URL.canParse(place) ? safeUrl(place) : null;
  if (/^s3:/i.test(place)) return s3Endpoint ?? 'https://s3.amazonaws.com';
  if (/^gs:/i.test(place)) return gcsEndpoint ?? 'https://storage.googleapis.com';
  return null;
}
