import type { Range } from '../lib/range.js';
import type { RejectedExample } from './tally.js';

/** The output of `plan --json`. Field names are public. */
export interface Plan {
  manifest: { uri: string; version: string; sources: number; bytes: number | null };
  /** The run that the same options make or go on with; null for standard input without `--run-id`. */
  run_id: string | null;
  /** Non-blank lines. */
  lines: number;
  valid: number;
  rejected: Record<string, number>;
  examples: Record<string, RejectedExample[]>;
  /** Valid lines that ask the same of the same address as an earlier one; null when only a sample was read. */
  duplicates: number | null;
  /** Lines that the run has ended already, by Redis or by the parts in `--out`. */
  already_ended: number;
  /** Valid lines that the run of `--since` has settled: they need no task; null without it. */
  unchanged: number | null;
  /** Unpacked, blank lines included. */
  bytes: number;
  longest_line_bytes: number;
  /** The lines of `--gold`; null without it. No other count of lines includes them. */
  gold_lines: number | null;
  /**
   * Tasks still to buy: one for each idempotency key, and one for each gold line. Second tasks are in `second_tasks`.
   */
  tasks: number;
  /**
   * The second tasks of `--escalate`; null without it. When no run shows the share, `tasks` is null and the forecast
   * leaves second tasks out.
   */
  second_tasks: {
    condition: string;
    /** Share of the settled lines. */
    share: Range | null;
    source: 'runs' | 'confidences' | 'highest' | null;
    tasks: Range | null;
    cost_sats: Range | null;
  } | null;
  /** Sats of a first task. */
  price_sats: { value: number | null; source: 'history' | 'usage' | 'flag' | null };
  cost_sats: Range | null;
  rate: { value: number | null; source: 'flag' | 'command' | 'header' | 'search' | 'history' | null };
  polls_per_label: Range | null;
  calls: Range | null;
  seconds: Range | null;
  redis_bytes: Range;
  parts: Range;
  quota_left: number | null;
  /** Lines that `--key content` would not buy again; null where that is the key, or is not known. */
  content_key_saves: { tasks: number; sats: number | null } | null;
  /** The sample of `--sample`: how much was read, and the error bound of the counts. Null when all was read. */
  sample: {
    share: number;
    blocks: number;
    bytes: number;
    lines: Range;
    valid: Range;
    rejected: Range;
    tasks: Range;
  } | null;
  /** Further facts, in sentences. */
  remarks: string[];
}
