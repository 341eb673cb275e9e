import type { LabelSpec } from '../gateway/types.js';
import type { LineItem } from './types.js';

const MAX_KEY_CHARACTERS = 255;
const MIN_THRESHOLD = 2;
const MAX_THRESHOLD = 10;
const MAX_SHOWN = 80;

type Field = Exclude<keyof LineItem, 'text'>;
/** The fault of a value, as `must be …`; undefined when there is none. */
type Check = (value: unknown) => string | undefined;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
const must =
  (holds: (value: unknown) => boolean, rule: string): Check =>
  (value) =>
    holds(value) ? undefined : rule;

/** The fields a line may set beside `data_url` and `metadata`; null counts as absent, as in exported tables. */
const OVERRIDES: readonly (readonly [Field, Check])[] = [
  ['type', must(isText, 'must be a non-empty string')],
  ['label_spec', checkLabelSpec],
  [
    'consensus_threshold',
    must(
      (value) => Number.isInteger(value) && Number(value) >= MIN_THRESHOLD && Number(value) <= MAX_THRESHOLD,
      `must be an integer from ${MIN_THRESHOLD} to ${MAX_THRESHOLD}`,
    ),
  ],
  [
    'idempotency_key',
    must(
      (value) => isText(value) && value.length <= MAX_KEY_CHARACTERS,
      `must be a non-empty string of at most ${MAX_KEY_CHARACTERS} characters`,
    ),
  ],
];

/**
 * An object, `text` as it is written, as an item; or the field that keeps it from being one, and why. `key` outranks the
 * object's own.
 */
export function checkItem(
  input: Record<string, unknown>,
  text: string,
  key?: string,
): { kind: 'item'; item: LineItem } | { kind: 'wrong'; message: string } {
  const { data_url, metadata = null } = input;
  if (data_url === undefined) return { kind: 'wrong', message: 'data_url: is missing' };
  if (!isHttpUrl(data_url)) return wrong(input, 'data_url', 'must be an http(s) URL');
  const item: Record<string, unknown> = { data_url, metadata, input, text };
  for (const [field, check] of OVERRIDES) {
    const value = field === 'idempotency_key' && key !== undefined ? key : input[field];
    if (value === undefined || value === null) continue;
    const rule = check(value);
    if (rule !== undefined) return wrong(input, field, rule);
    item[field] = value;
  }
  return { kind: 'item', item: item as unknown as LineItem };
}

const wrong = (input: Record<string, unknown>, field: Field, rule: string) => ({
  kind: 'wrong' as const,
  message: `${field}: ${rule}, got ${show(input[field])}`,
});

/** The form of most URLs: a plain host name, then ASCII. The slower check below accepts all of them. */
const PLAIN_URL = /^https?:\/\/(?:[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.)+[a-z]{2,}(?:\/[\x21-\x7e]*)?$/;

/** `new URL` also takes `http:host` and trims; the Gateway need not. */
const isHttpUrl = (value: unknown): value is string =>
  typeof value === 'string' &&
  (PLAIN_URL.test(value) || (/^https?:\/\/\S(.*\S)?$/i.test(value) && isUrl(value)));

/** Node 20's `URL.canParse`, once it is compiled, takes the characters of `https://bücher.example` for UTF-8 bytes. */
function isUrl(text: string): boolean {
  if (/^[\x20-\x7e]*$/.test(text)) return URL.canParse(text);
  try {
    return new URL(text) !== null;
  } catch {
    return false;
  }
}

function checkLabelSpec(value: unknown): string | undefined {
  if (!isObject(value)) return 'must be an object with question and options';
  const { question, options } = value as Partial<LabelSpec>;
  if (!isText(question)) return 'question must be a non-empty string';
  if (!Array.isArray(options) || options.length < 2) return 'options must be an array of two or more';
  if (!options.every(isText)) return 'every option must be a non-empty string';
  if (new Set(options).size < options.length) return 'options must differ from each other';
  return undefined;
}

function show(value: unknown): string {
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length <= MAX_SHOWN ? json : `${json.slice(0, MAX_SHOWN)}…`;
}
