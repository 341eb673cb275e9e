/** What `--since` and `--carry` ask of a run: part of what it is. */
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
  /** Of the earlier run, and of those that it had left lines out for. The newest first. */
  earlier: EarlierResults[];
}

/** What a summary says of it; `out` is where the earlier run's results were. */
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
