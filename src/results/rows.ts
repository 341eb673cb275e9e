import type { SettledResult } from '../gateway/types.js';
import type { EscalatedFrom, EscalationOutcome } from '../runs/escalation.js';

/** A row of `results-*.jsonl`: every field present, null if unknown. */
export interface ResultRow {
  line: number;
  source: string | null;
  data_url: string;
  metadata: unknown;
  idempotency_key: string;
  task_id: string;
  status: string;
  consensus_label: string | null;
  confidence: number | null;
  worker_count: number | null;
  agreement_count: number | null;
  bsv_txid: string | null;
  cost_sats: number | null;
  created_at: string | number | null;
  settled_at: string | number | null;
  settled_by: 'poll' | 'webhook';
  /** The run that bought the task, where that is another one (`--carry`). */
  bought_by: string | null;
  /** Digest of type, label spec and threshold. */
  asked: string;
  /** Only in runs with `--gold`: the label that is known of a gold line; null of the manifest's own. */
  gold?: string | null;
  /** Only in runs with `--escalate`: null of a line that did not meet the condition. */
  escalation?: EscalationOutcome | null;
  /** The first of two answers; the row's own fields are the second. */
  escalated_from?: EscalatedFrom | null;
}

export type FailureStage = 'manifest' | 'submit' | 'poll';

/** A row of `failures-*.jsonl`. */
export interface FailureRow {
  line: number;
  source: string | null;
  stage: FailureStage;
  error: { code: string; status?: number; message: string };
  attempts: number;
  idempotency_key: string | null;
  task_id?: string;
  /** As in a result's row. */
  gold?: string | null;
  /** The whole object where the line was one, else the raw text cut at 4 KiB. */
  input: unknown;
}

export type Row = ResultRow | FailureRow;

/** The line's fields in a row; `metadata` as the manifest has it, character by character. */
export interface RowLine {
  line: number;
  source: string | null;
  data_url: string;
  metadata: string;
  idempotency_key: string;
  asked: string;
  bought_by?: string;
}

/** The fields of a result that go into its row. */
export type RowResult = Pick<
  SettledResult,
  'task_id' | 'status' | 'consensus_label' | 'confidence' | 'worker_count'
> &
  Pick<SettledResult, 'agreement_count' | 'bsv_txid' | 'cost_sats' | 'created_at' | 'settled_at'>;

/** A row as text: the manifest's own text of its metadata goes in as it is. */
export function resultRowText(
  line: RowLine,
  result: RowResult,
  settledBy: 'poll' | 'webhook',
  more: Pick<ResultRow, 'gold' | 'escalation' | 'escalated_from'> = {},
): string {
  const place = { line: line.line, source: line.source, data_url: line.data_url };
  const rest = {
    idempotency_key: line.idempotency_key,
    task_id: result.task_id,
    status: result.status,
    consensus_label: result.consensus_label ?? null,
    confidence: result.confidence ?? null,
    worker_count: result.worker_count ?? null,
    agreement_count: result.agreement_count ?? null,
    bsv_txid: result.bsv_txid ?? null,
    cost_sats: result.cost_sats ?? null,
    created_at: result.created_at ?? null,
    settled_at: result.settled_at ?? null,
    settled_by: settledBy,
    bought_by: line.bought_by ?? null,
    asked: line.asked,
    ...more,
  };
  return `${JSON.stringify(place).slice(0, -1)},"metadata":${line.metadata},${JSON.stringify(rest).slice(1)}`;
}

/** @param input JSON text */
export const failureRowText = (row: Omit<FailureRow, 'input'>, input: string): string =>
  `${JSON.stringify(row).slice(0, -1)},"input":${input}}`;

/** The fields that a carried row takes from the bought row. */
export type BoughtRow = Omit<ResultRow, 'line' | 'source' | 'data_url' | 'metadata' | 'asked'> & {
  bought_by: string;
};
