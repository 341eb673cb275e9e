import type { RunRecord } from '../runs/record.js';
import type { Marker, ResultsIdentity } from '../runs/sink-marker.js';

/** The place of a run's parts and its summary. Every method may be repeated after a crash with the same effect. */
export interface Sink {
  /** `custom` for those that are not this package's. */
  readonly kind: 'dir' | 's3' | 'gs' | 'custom';
  /** Proves that the place can be written, and marks it as this run's; refuses one that holds another run's parts. */
  claim(run: Pick<RunRecord, 'id' | 'sinkId'>, made?: ResultsIdentity): Promise<void>;
  /** The place's marker; null when it has none. A sink without this method cannot say. */
  readMarker?(): Promise<Marker | null>;
  /** Whether this process sees the place that was claimed for the run. */
  sees(run: Pick<RunRecord, 'id' | 'sinkId'>): Promise<boolean>;
  /**
   * Writes a whole part, durably, under its name: it is there with all its bytes or not at all. `stillWanted` is called
   * last, before the part appears; if it throws, nothing is left behind.
   */
  writePart(name: string, bytes: AsyncIterable<Buffer>, stillWanted?: () => Promise<void>): Promise<void>;
  /** Writes `summary.json`, in place of the one before. */
  writeSummary(json: string): Promise<void>;
  /** Writes `_parts.jsonl`, in place of the one before. A sink that lacks it has no feed. */
  writeFeed?(jsonl: string): Promise<void>;
  /** The text of `summary.json`; null when there is none. */
  readSummary(): Promise<string | null>;
  /** Also resolves when there is none. */
  removeSummary(): Promise<void>;
  /** Names of the run's parts that are there, sorted. */
  listParts(runId: string): Promise<string[]>;
  /** The part's bytes. Throws when there is no such part. */
  readPart(name: string): AsyncIterable<Buffer>;
  /** Moves a part to `superseded/`. */
  setAside(name: string): Promise<void>;
}
