import type { RunRecord } from './record.js';
import type { Since } from './since.js';

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
