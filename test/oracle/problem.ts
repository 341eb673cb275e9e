/** Every kind of problem that the oracle reports, and what it means. */
export const KINDS = {
  missing_line: 'a line is in no row',
  doubled_line: 'a line is in more than one row',
  unknown_line: 'a row tells of a line that the manifest does not have',
  unexpected_failure: 'a valid line has failed',
  settled_invalid: 'a line that should be rejected has a result',
  unreadable_row: 'a row is no JSON object, or lacks a field',
  wrong_data_url: "a row's data_url is not its line's",
  wrong_metadata: "a row's metadata is another value than its line's",
  metadata_bytes: "a row's metadata is not byte for byte what its line says",
  wrong_input: "a failure's input is not its line",
  wrong_key: "a row's idempotency key is not its line's",
  wrong_gold: 'a row is marked as a gold line and is none, or the other way round',
  wrong_escalation: 'a line was asked again and should not have been, or its first answer is not there',
  wrong_task: "a row's task was bought for another line, or is unknown to the Gateway",
  wrong_label: 'a label is not the one that the Gateway gave for what the line asks',
  wrong_result: "another field of a result is not the Gateway's",
  wrong_carry: 'a row that was carried is not that of the earlier run, or one was not carried',
  unchanged_row: 'a line that an earlier run had settled has a row, and nothing was to be carried',
  paid_twice: 'more tasks were bought for a line than it has a use for',
  extra_task: 'a task was bought that no line asks for',
  unreported_task: 'a task was bought for a line, and no row tells of it',
  part_unlisted: 'a part is not in the summary',
  part_missing: 'a part of the summary is not there',
  part_rows: "a part's rows are not as many as the summary says",
  part_bytes: "a part's bytes are not as many as the summary says",
  part_sha256: "a part's SHA-256 is not what the summary says",
  parts_feed: '`_parts.jsonl` does not tell of the parts as the summary does',
  leftover_file: 'a file is left over',
  summary_missing: 'there is no summary, or it cannot be read',
  summary_state: "the summary is another run's, or its state is not an end",
  summary_lines: 'lines, settled, failed, unchanged or carried are not what manifest and parts hold',
  summary_failures: 'failures by code are not what the parts hold',
  summary_labels: 'labels are not what the parts hold',
  summary_cost: 'the cost is not that of the tasks, each counted once',
  summary_gold: 'gold lines that agreed, disagreed and failed are not what the parts hold',
  reported_summary: 'the command printed another summary than it wrote',
} as const;

export type Kind = keyof typeof KINDS;

export interface Problem {
  kind: Kind;
  /** Where it is: a line, a file, a task. */
  where: string;
  message: string;
}

/** Notes a problem. */
export type Report = (kind: Kind, where: string, message?: string) => void;
