import { checkItem, isObject } from './check-item.js';
import { SHOWN_BYTES } from './decode-line.js';
import { type FieldMap, mapFields } from './map-fields.js';
import { nestsDeeperThan } from './nesting.js';
import { rawField } from './raw-fields.js';
import type { LineProblem, ParsedLine, RawLine } from './types.js';

/** Writing out deeper values would overflow the stack. */
const MAX_DEPTH = 512;

/**
 * Parses a line's request. A record of a failures file counts as the object in its `input`, under the key it had.
 * Never throws.
 *
 * @param map `--map`; what is said of a line, and its `input`, is of the line with its fields so named
 */
export function parseLine({ text, problem }: RawLine, map: FieldMap = []): ParsedLine {
  if (problem !== undefined) return { kind: 'rejected', problem, input: JSON.stringify(text) };
  if (text === null || text.trim() === '') return { kind: 'blank' };
  if (nestsDeeperThan(text, MAX_DEPTH))
    return reject(text, 'invalid_line', `nested deeper than ${MAX_DEPTH} levels`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return reject(text, 'invalid_json', error instanceof Error ? error.message : String(error));
  }
  if (!isObject(value)) return reject(text, 'invalid_line', `must be a JSON object, got ${nameOf(value)}`);
  return isFailureRecord(value) ? parseFailureRow(value, text, map) : checked(value, text, map);
}

const reject = (text: string, code: LineProblem['code'], message: string): ParsedLine => ({
  kind: 'rejected',
  problem: { code, message },
  input: JSON.stringify(cut(text)),
});

function checked(read: Record<string, unknown>, text: string, map: FieldMap, key?: string): ParsedLine {
  const written = mapFields(text.trim(), map);
  const object = map.length === 0 ? read : (JSON.parse(written) as Record<string, unknown>);
  const outcome = checkItem(object, written, key);
  if (outcome.kind === 'item') return outcome;
  const kept = key ?? object.idempotency_key;
  return {
    kind: 'rejected',
    problem: { code: 'invalid_line', message: outcome.message },
    input: written,
    ...(typeof kept === 'string' && kept !== '' ? { idempotency_key: kept } : {}),
  };
}

const isFailureRecord = (value: Record<string, unknown>) =>
  typeof value.stage === 'string' &&
  isObject(value.error) &&
  Object.hasOwn(value, 'input') &&
  !Object.hasOwn(value, 'data_url');

function parseFailureRow(
  { input, idempotency_key }: Record<string, unknown>,
  record: string,
  map: FieldMap,
): ParsedLine {
  const key = typeof idempotency_key === 'string' && idempotency_key !== '' ? idempotency_key : undefined;
  const written = rawField(record, 'input') ?? 'null';
  if (isObject(input)) return checked(input, written, map, key);
  const message = `input: must be a JSON object to be taken again, got ${nameOf(input)}`;
  return {
    kind: 'rejected',
    problem: { code: 'invalid_line', message },
    input: typeof input === 'string' ? JSON.stringify(cut(input)) : written,
    ...(key === undefined ? {} : { idempotency_key: key }),
  };
}

const nameOf = (value: unknown) =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;

/** At most 4 KiB of UTF-8, whole characters only. */
function cut(text: string): string {
  if (text.length * 3 <= SHOWN_BYTES) return text;
  const bytes = Buffer.from(text.slice(0, SHOWN_BYTES));
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, SHOWN_BYTES), {
    stream: true,
  });
}
