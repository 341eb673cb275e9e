/** The options `--since` and `--carry` of a run: part of its identity. */
export interface Since {
  /** The earlier run. */
  run: string;
  /** Its rows are copied, so that the results are whole. */
  carry: boolean;
}

/** Results of an earlier run, as they were when the run that builds on them began. */
export interface EarlierResults {
  run: string;
  out: string;
  /** Parts with numbers up to this: what a `retry` adds later would change what has been decided. */
  upTo: number;
  rows: number;
}

export interface SinceRecord extends Since {
  /** Ids of the earlier run, and of those whose lines it had left out. The newest first. */
  earlier: EarlierResults[];
}

/** The summary's part about it; `out` is the place of the earlier run's results. */
export interface SinceSummary extends Since {
  out: string;
}

export const sinceOf = (since: Since | undefined): Since | undefined =>
  since && { run: since.run, carry: since.carry };

export const sinceSummary = ({ run, carry, earlier }: SinceRecord): SinceSummary => ({
  run,
  carry,
  out: earlier[0]?.out ?? '',
});
