import type { Evidence } from './evidence.js';
import { type Ask, type ManifestLine, manifestLines } from './manifest-lines.js';
import { readParts, type SeenRow } from './parts.js';

/** What an earlier run's row says of a content, and which run bought it. */
export interface Before {
  row: SeenRow;
  boughtBy: string;
}

/** What earlier runs have settled, by content; of several rows, that of the run which was named first. */
function settledBefore({ earlier = [] }: Evidence): Map<string, Before> {
  const settled = new Map<string, Before>();
  for (const evidence of earlier) {
    const lines = manifestLines(evidence.sources, evidence.asked);
    for (const row of readParts(evidence, () => undefined).rows) {
      const ask = lines.get(row.id)?.ask ?? null;
      if (row.kind !== 'results' || ask === null || settled.has(contentOf(ask))) continue;
      settled.set(contentOf(ask), { row, boughtBy: String(row.fields.bought_by ?? evidence.asked.runId) });
    }
  }
  return settled;
}

/** The lines that ask what an earlier run has settled, by their id. */
export function unchangedLines(evidence: Evidence, lines: Map<string, ManifestLine>): Map<string, Before> {
  const settled = settledBefore(evidence);
  const unchanged = new Map<string, Before>();
  for (const [id, { ask }] of lines) {
    const before = ask === null ? undefined : settled.get(contentOf(ask));
    if (before !== undefined) unchanged.set(id, before);
  }
  return unchanged;
}

const contentOf = ({ dataUrl, question, options, threshold }: Ask) =>
  JSON.stringify([dataUrl, question, options, threshold]);

/** Tasks that earlier runs' rows tell of. */
export const tasksBefore = ({ earlier = [] }: Evidence): Set<unknown> =>
  new Set(
    earlier.flatMap((evidence) =>
      readParts(evidence, () => undefined).rows.map(({ fields }) => fields.task_id),
    ),
  );
