import type { RunRecord } from './record.js';
import type { Since } from './since.js';

/** Distinguishes a run's place from that of another run, and of a run of this name over another manifest. */
export interface Marker extends Partial<ResultsIdentity> {
  run_id: string;
  sink_id: string;
}

/** The identity of a run's results. */
export interface ResultsIdentity {
  /** Names and versions of the sources: of the first thousand, and a digest of all. */
  manifest: { uris: string[]; versions: string[]; digest: string };
  spec_digest: string;
  /** The Gateway that labeled; absent in markers of earlier versions. */
  gateway?: string;
  since?: Since;
}

export const markerFor = (
  { id, sinkId }: Pick<RunRecord, 'id' | 'sinkId'>,
  made?: ResultsIdentity,
): Marker => ({
  run_id: id,
  sink_id: sinkId,
  ...made,
});
