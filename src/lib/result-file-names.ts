/** The file that says whose a place is. */
export const MARKER = '.asg-ingest.json';
export const SUMMARY = 'summary.json';
/** A row for each part that is durable. */
export const FEED = '_parts.jsonl';

const PART = /^(results|failures)-(.+)-(\d{5,})\.jsonl(\.gz)?$/;

export interface PartName {
  kind: 'results' | 'failures';
  runId: string;
  number: number;
}

export const partName = (
  kind: 'results' | 'failures',
  runId: string,
  number: number,
  compress: boolean,
): string => `${kind}-${runId}-${String(number).padStart(5, '0')}.jsonl${compress ? '.gz' : ''}`;

export function parsePartName(name: string): PartName | null {
  const match = PART.exec(name);
  if (!match) return null;
  const [, kind, runId, number] = match;
  return { kind: kind as PartName['kind'], runId: runId ?? '', number: Number(number) };
}

/** The run whose parts are in a place that has no marker; null when it holds none but `runId`'s. */
export function ownerOf(names: string[], runId: string): string | null {
  const owners = names.map((name) => parsePartName(name)?.runId);
  return owners.find((owner) => owner !== undefined && owner !== runId) ?? null;
}
