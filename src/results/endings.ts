import type { SettledResult } from '../gateway/types.js';
import { type LineItem, rawField } from '../manifest/index.js';
import type { PolledLine, QueuedLine } from '../queues/chunk.js';
import { askedOf } from '../runs/asked-of-line.js';
import { costOf } from '../runs/cost.js';
import {
  type EscalationOutcome,
  escalatedFrom,
  escalationCounts,
  type FirstAnswer,
} from '../runs/escalation.js';
import { type GoldOutcome, goldField, goldOutcome, knownLabel } from '../runs/gold.js';
import { lineKey } from '../runs/idempotency-key.js';
import type { RunRecord } from '../runs/record.js';
import type { Ending } from '../runs/scripts.js';
import { gatewayTimeMs } from '../runs/settle-times.js';
import {
  confidenceField,
  eventField,
  exampleOf,
  gatewayTimeField,
  settleTimeField,
} from '../runs/timeline.js';
import type { BoughtRow } from './rows.js';
import { type FailureRow, type FailureStage, failureRowText, type RowLine, resultRowText } from './rows.js';

/** The `source` of a row: null for a manifest of one source. */
const sourceName = (record: RunRecord, source: number): string | null =>
  isGold(record, source) || ownSources(record) > 1 ? (record.manifest.sources[source] ?? null) : null;

const isGold = ({ manifest }: RunRecord, source: number): boolean => manifest.gold?.source === source;

const ownSources = ({ manifest: { sources, gold } }: RunRecord): number =>
  gold === undefined ? sources.length : gold.source;

/** The `gold` of a row: of a run without gold lines no field, of the manifest's lines null. */
const goldOf = (record: RunRecord, source: number, text: string): { gold?: string | null } =>
  record.manifest.gold === undefined ? {} : { gold: isGold(record, source) ? knownLabel(text) : null };

export const idempotencyKey = (record: RunRecord, source: number, { key, line }: QueuedLine): string =>
  key ?? lineKey(record, source, line);

/** For a line that met `--escalate`: its outcome, and the first of two answers. */
interface Escalated {
  outcome: EscalationOutcome;
  first: FirstAnswer | null;
}

/** Sats of all that is known of; null: of none. */
const together = (...costs: (number | null | undefined)[]): number | null => {
  const known = costs.filter((cost) => cost != null);
  return known.length === 0 ? null : known.reduce((sum, cost) => sum + cost, 0);
};

/** A line that has its label. */
export function settledEnding(
  record: RunRecord,
  source: number,
  line: PolledLine,
  result: SettledResult,
  settledBy: 'poll' | 'webhook',
  ageMs: number,
  escalated?: Escalated,
): Ending {
  const rowLine = rowLineOf(record, source, line);
  const gatewayMs = gatewayTimeMs(result, ageMs);
  const { gold } = goldOf(record, source, line.text);
  return {
    kind: 'settled',
    label: result.consensus_label ?? '(none)',
    costSats: line.boughtElsewhere ? 0 : together(result.cost_sats, escalated?.first?.result.cost_sats),
    // Other lines of the run may have the same key, and so the same task: its cost is counted once.
    ...(line.key === undefined || line.boughtElsewhere
      ? {}
      : { sharedTask: { key: line.key, id: line.task } }),
    ...labelersOf(result),
    settledBy,
    ageMs,
    ...alsoOf(gold == null ? null : goldOutcome(gold, result.consensus_label), escalated, line, result),
    row: resultRowText(rowLine, result, settledBy, {
      ...(gold === undefined ? {} : { gold }),
      ...(record.task.escalate === undefined
        ? {}
        : {
            escalation: escalated?.outcome ?? null,
            escalated_from: escalated?.first ? escalatedFrom(escalated.first) : null,
          }),
    }),
    history: [
      eventField('settled', record),
      confidenceField(result.confidence ?? null),
      settleTimeField(ageMs),
      ...(gatewayMs === null ? [] : [gatewayTimeField(gatewayMs)]),
    ],
  };
}

/** A line whose content an earlier run has settled. Its cost is counted there. */
export function carriedEnding(
  record: RunRecord,
  source: number,
  line: QueuedLine,
  bought: BoughtRow,
): Ending {
  const { idempotency_key, bought_by } = bought;
  const rowLine = { ...rowLineOf(record, source, line), idempotency_key, bought_by };
  return {
    kind: 'settled',
    label: bought.consensus_label ?? '(none)',
    costSats: 0,
    settledBy: bought.settled_by,
    ageMs: 0,
    row: resultRowText(rowLine, bought, bought.settled_by, {
      ...goldOf(record, source, line.text),
      ...(record.task.escalate !== undefined && {
        escalation: bought.escalation ?? null,
        escalated_from: bought.escalated_from ?? null,
      }),
    }),
    history: [confidenceField(bought.confidence)],
  };
}

function rowLineOf(record: RunRecord, source: number, line: QueuedLine): RowLine {
  const object = JSON.parse(line.text) as Pick<
    LineItem,
    'data_url' | 'type' | 'label_spec' | 'consensus_threshold'
  >;
  return {
    line: line.line,
    source: sourceName(record, source),
    data_url: object.data_url,
    metadata: rawField(line.text, 'metadata') ?? 'null',
    idempotency_key: idempotencyKey(record, source, line),
    asked: askedOf(record.task, object),
  };
}

function alsoOf(
  gold: GoldOutcome | null,
  escalated: Escalated | undefined,
  { boughtElsewhere }: PolledLine,
  { cost_sats: cost }: SettledResult,
): Pick<Ending, 'gold' | 'also'> {
  if (gold === null && escalated === undefined) return {};
  const also = {
    ...(gold !== null && { [goldField(gold)]: 1 }),
    ...(escalated && escalationCounts(escalated.outcome, boughtElsewhere ? 0 : costOf(cost))),
  };
  return { ...(gold !== null && { gold }), also };
}

/** The documentation's default, and the most that a task may ask for. */
const [DEFAULT_LABELERS, MOST_LABELERS] = [3, 10];

/** A task costs the same for each labeler that agrees. An answer that does not say how many did: as few as can be. */
export function labelersOf({
  cost_sats: cost,
  worker_count: workers,
  agreement_count: agreeing,
}: Pick<SettledResult, 'cost_sats' | 'worker_count' | 'agreement_count'>): {
  labelers?: { sats: number; count: number };
} {
  if (cost == null || !(cost > 0)) return {};
  const count = Math.min(MOST_LABELERS, Math.max(DEFAULT_LABELERS, workers ?? 0));
  const fewest = Math.floor(count / 2) + 1;
  const paid = agreeing != null && agreeing >= 1 ? agreeing : fewest;
  return { labelers: { sats: Math.ceil(cost / paid), count } };
}

export interface Failure {
  stage: FailureStage;
  code: string;
  status?: number;
  message: string;
  taskId?: string;
  /** Calls made for the line's present step. */
  attempts: number;
}

export const CANCELLED: Failure = {
  stage: 'submit',
  code: 'cancelled',
  message: 'the run was cancelled',
  attempts: 0,
};

/** A line of the queues that will not settle. `unbought`: certainly no task was accepted for it. */
export function failedEnding(
  record: RunRecord,
  source: number,
  line: QueuedLine,
  failure: Failure,
  unbought = false,
): Ending {
  const { stage, code, status, message, taskId, attempts } = failure;
  const row = {
    line: line.line,
    source: sourceName(record, source),
    stage,
    error: { code, ...(status === undefined ? {} : { status }), message },
    attempts,
    idempotency_key: idempotencyKey(record, source, line),
    ...(taskId === undefined ? {} : { task_id: taskId }),
    ...goldOf(record, source, line.text),
  };
  return { ...failing(record, row, line.text), unbought };
}

export interface Rejection {
  line: number;
  problem: { code: string; message: string };
  /** JSON text. */
  input: string;
  idempotency_key?: string | undefined;
}

/** A line that is not sent at all. */
export function rejectedEnding(record: RunRecord, source: number, rejection: Rejection): Ending {
  const row = {
    line: rejection.line,
    source: sourceName(record, source),
    stage: 'manifest' as const,
    error: rejection.problem,
    attempts: 0,
    idempotency_key: rejection.idempotency_key ?? null,
    ...goldOf(record, source, rejection.input),
  };
  return failing(record, row, rejection.input);
}

function failing(record: RunRecord, row: Omit<FailureRow, 'input'>, input: string) {
  return {
    kind: 'failed' as const,
    stage: row.stage,
    code: row.error.code,
    ...(row.gold != null && { gold: 'failed' as const, also: { [goldField('failed')]: 1 } }),
    row: failureRowText(row, input),
    example: exampleOf(row),
    history: [eventField('failed', record)],
  };
}
