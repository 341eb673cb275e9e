import type { RunRecord } from '../runs/record.js';
import type { Since } from '../since/since.js';

/** Where a run's parts and its summary go. Every method may be repeated after a crash with the same effect. */
export interface Sink {
  /** `custom` for those that are not this package's. */
  readonly kind: 'dir' | 's3' | 'gs' | 'custom';
  /** Proves that the place can be written, and marks it as this run's; refuses one that holds another run's parts. */
  claim(run: Pick<RunRecord, 'id' | 'sinkId'>, made?: MadeOf): Promise<void>;
  /** Whose the place is, as its marker says; null when it has none. A sink without it cannot tell. */
  readMarker?(): Promise<Marker | null>;
  /** Whether this process sees the place that was claimed for the run. */
  sees(run: Pick<RunRecord, 'id' | 'sinkId'>): Promise<boolean>;
  /**
   * Writes a whole part, durably, under its name: it is there with all its bytes or not at all. `stands` is asked last,
   * before the part appears; what it throws leaves nothing behind.
   */
  writePart(name: string, bytes: AsyncIterable<Buffer>, stands?: () => Promise<void>): Promise<void>;
  writeSummary(json: string): Promise<void>;
  /** Writes `_parts.jsonl`, in place of the one before. A sink that lacks it has no feed. */
  writeFeed?(jsonl: string): Promise<void>;
  readSummary(): Promise<string | null>;
  removeSummary(): Promise<void>;
  /** Names of the run's parts that are there, sorted. */
  listParts(runId: string): Promise<string[]>;
  readPart(name: string): AsyncIterable<Buffer>;
  /** Moves a part to `superseded/`. */
  setAside(name: string): Promise<void>;
}

/** The file that says whose a place is. */
export const MARKER = '.asg-ingest.json';
export const SUMMARY = 'summary.json';
/** A row for each part that is durable. */
export const FEED = '_parts.jsonl';

/** Tells a run's place from that of another run, and from that of a run of this name over something else. */
export interface Marker extends Partial<MadeOf> {
  run_id: string;
  sink_id: string;
}

/** What a run's results are made of. */
export interface MadeOf {
  /** Names and versions of the sources: of the first thousand, and a digest of all. */
  manifest: { uris: string[]; versions: string[]; digest: string };
  spec_digest: string;
  /** Who labeled; absent in what earlier versions have marked. */
  gateway?: string;
  since?: Since;
}

export const markerFor = ({ id, sinkId }: Pick<RunRecord, 'id' | 'sinkId'>, made?: MadeOf): Marker => ({
  run_id: id,
  sink_id: sinkId,
  ...made,
});

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
