import { createHash } from 'node:crypto';
import type { SettledResult } from '../gateway/types.js';

/** The answer that a line had before it was asked again; it travels with the line until the second one comes. */
export interface FirstAnswer {
  result: SettledResult;
  by: 'poll' | 'webhook';
  ageMs: number;
  /** `consensus_threshold` of the first task, and of the second. */
  asked: number;
  again: number;
}

/**
 * The outcome of a line that met the condition. `changed`, `same`: asked again, and the second answer is the label.
 * `failed`: asked again, and no answer came, so the first is kept. `budget`, `spend`, `day`: a limit allowed no
 * second task. `cancelled`: the run was. `highest`: no task may ask more labelers.
 */
export type EscalationOutcome =
  | 'changed'
  | 'same'
  | 'failed'
  | 'budget'
  | 'spend'
  | 'day'
  | 'cancelled'
  | 'highest';

/** The fields that a row keeps of the first answer. Field names are public. */
export interface EscalatedFrom {
  task_id: string;
  consensus_threshold: number;
  consensus_label: string | null;
  confidence: number | null;
  worker_count: number | null;
  agreement_count: number | null;
  cost_sats: number | null;
  bsv_txid: string | null;
  settled_at: string | number | null;
}

export const escalatedFrom = ({ result, asked }: FirstAnswer): EscalatedFrom => ({
  task_id: result.task_id,
  consensus_threshold: asked,
  consensus_label: result.consensus_label ?? null,
  confidence: result.confidence ?? null,
  worker_count: result.worker_count ?? null,
  agreement_count: result.agreement_count ?? null,
  cost_sats: result.cost_sats ?? null,
  bsv_txid: result.bsv_txid ?? null,
  settled_at: result.settled_at ?? null,
});

const MAX_LENGTH = 255;

/** The second task's key follows from the line's: however often it is asked for, it is bought once. */
export function escalatedKey(key: string, threshold: number): string {
  const derived = `${key}-escalated-${threshold}`;
  return derived.length <= MAX_LENGTH
    ? derived
    : `escalated-${threshold}-${createHash('sha256').update(key).digest('hex')}`;
}

/** Counts of the lines that met the condition. Field names are public. */
export interface EscalationStatus {
  condition: string;
  /** Asked again. */
  lines: number;
  /** With another label than at first. */
  changed: number;
  /** Without a second answer: the first is kept. */
  failed: number;
  /** Met the condition and were not asked again: a limit, a cancel, or no higher threshold. */
  not_asked: number;
  /** Cost of the second tasks. */
  cost_sats: number;
}

const FIELDS = {
  lines: 'escalated',
  changed: 'escalated_changed',
  failed: 'escalated_failed',
  not_asked: 'escalated_not_asked',
  cost_sats: 'escalated_cost',
} as const;

/** The share of a line that met the condition in the run's counts. `costSats`: of its second task. */
export function escalationCounts(outcome: EscalationOutcome, costSats: number): Record<string, number> {
  if (outcome === 'changed') return { [FIELDS.lines]: 1, [FIELDS.changed]: 1, [FIELDS.cost_sats]: costSats };
  if (outcome === 'same') return { [FIELDS.lines]: 1, [FIELDS.cost_sats]: costSats };
  if (outcome === 'failed') return { [FIELDS.lines]: 1, [FIELDS.failed]: 1 };
  return { [FIELDS.not_asked]: 1 };
}

export function escalationStatus(
  condition: string,
  counts: Readonly<Record<string, string>>,
): EscalationStatus {
  const count = (name: keyof typeof FIELDS) => Number(counts[FIELDS[name]] ?? 0);
  return {
    condition,
    lines: count('lines'),
    changed: count('changed'),
    failed: count('failed'),
    not_asked: count('not_asked'),
    cost_sats: count('cost_sats'),
  };
}
