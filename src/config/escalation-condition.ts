import type { SettledResult } from '../gateway/types.js';

/** The fields of an answer that `--escalate` may use. `agreement` is the share of the labelers that agreed. */
const FIELDS = {
  confidence: ({ confidence }: SettledResult) => confidence ?? null,
  agreement: ({ agreement_count: agreeing, worker_count: workers }: SettledResult) =>
    agreeing == null || workers == null || workers <= 0 ? null : agreeing / workers,
  agreement_count: ({ agreement_count: agreeing }: SettledResult) => agreeing ?? null,
  worker_count: ({ worker_count: workers }: SettledResult) => workers ?? null,
};
type Field = keyof typeof FIELDS;

const OPERATORS = {
  '<': (a: number, b: number) => a < b,
  '<=': (a: number, b: number) => a <= b,
  '>': (a: number, b: number) => a > b,
  '>=': (a: number, b: number) => a >= b,
  '=': (a: number, b: number) => a === b,
};
type Operator = keyof typeof OPERATORS;

export const CONDITION_FIELDS = Object.keys(FIELDS);

export interface Condition {
  field: Field;
  operator: Operator;
  value: number;
}

/** A webhook's delivery tells this field; the others are in a result only. */
export const isDelivered = ({ field }: Condition): boolean => field === 'confidence';

/** `confidence<0.7`; undefined for any other text. */
export function parseCondition(text: string): Condition | undefined {
  const [, field = '', operator = '', value = ''] =
    /^\s*([a-z_]+)\s*(<=|>=|<|>|=)\s*(\d*\.?\d+)\s*$/.exec(text) ?? [];
  if (!Object.hasOwn(FIELDS, field) || !Object.hasOwn(OPERATORS, operator)) return undefined;
  return { field: field as Field, operator: operator as Operator, value: Number(value) };
}

/** The same condition as one text. */
export const formatCondition = ({ field, operator, value }: Condition): string =>
  `${field}${operator}${value}`;

/** An answer without the field does not meet the condition. */
export function meets({ field, operator, value }: Condition, result: SettledResult): boolean {
  const fieldValue = FIELDS[field](result);
  return fieldValue !== null && OPERATORS[operator](fieldValue, value);
}

const [DEFAULT_THRESHOLD, MOST] = [3, 10];

/** The labelers of a line that does not say. */
export const thresholdOr = (threshold: number | null | undefined): number => threshold ?? DEFAULT_THRESHOLD;

/** The next odd number of labelers, 10 at most; null when there is none above. */
export function higherThreshold(threshold: number): number | null {
  if (threshold >= MOST) return null;
  return Math.min(MOST, threshold + (threshold % 2 === 1 ? 2 : 1));
}
