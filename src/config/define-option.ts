import { CONDITION_FIELDS, type Condition, formatCondition, parseCondition } from './escalation-condition.js';
import { formatHours, type Hours, parseHours } from './hours.js';
import { formatRateWindows, parseRateWindows, type RateWindow } from './rate-windows.js';
import {
  type CountOrShare,
  type DurationRange,
  formatCountOrShare,
  formatDuration,
  formatDurationRange,
  formatSize,
  parseCountOrShare,
  parseDuration,
  parseDurationRange,
  parseSize,
} from './units.js';

export interface OptionFacts<T> {
  describe: string;
  default: T;
  /** Defaults that differ for some commands. */
  defaults?: Readonly<Record<string, T>>;
  env?: string;
  /** The name of the value in the help. */
  placeholder?: string;
  /** `flag`: only on the command line, as it says how one command is to answer. `env`: only in the environment. */
  only?: 'flag' | 'env';
  /** Never shown, in an error neither. */
  secret?: boolean;
}

/** One setting: what it is called, how its text is read, what it may be. */
export interface Option<T> extends OptionFacts<T> {
  type: string;
  /** The rule for a value, to end the sentence "… is not". */
  expected: string;
  /** The value of a flag, a variable or a field of a settings file; undefined when it is not allowed. */
  parse(raw: unknown): T | undefined;
  show(value: T): string;
}

interface Kind<T> {
  type: string;
  placeholder: string;
  expected: string;
  parse(raw: unknown): T | undefined;
  show?(value: T): string;
}

function option<T, D extends T | null>(kind: Kind<T>, facts: OptionFacts<D | T>): Option<T | D> {
  return {
    placeholder: kind.placeholder,
    ...facts,
    type: kind.type,
    expected: kind.expected,
    parse: kind.parse,
    show: (value) => (value === null ? '-' : kind.show ? kind.show(value as T) : String(value)),
  };
}

const textOf = (raw: unknown): string | undefined =>
  typeof raw === 'string' ? raw.trim() : typeof raw === 'number' ? String(raw) : undefined;

/** A kind read from text. */
const fromText =
  <T>(read: (text: string) => T | undefined) =>
  (raw: unknown): T | undefined => {
    const value = textOf(raw);
    return value === undefined ? undefined : read(value);
  };

export function text<D extends string | null>(
  facts: OptionFacts<D | string> & { default: D; pattern?: RegExp; expected?: string },
): Option<string | D> {
  const parse = (value: string) => (value !== '' && (facts.pattern?.test(value) ?? true) ? value : undefined);
  const expected = facts.expected ?? 'a text of one character or more';
  return option({ type: 'string', placeholder: 'text', expected, parse: fromText(parse) }, facts);
}

export function url<D extends string | null>(
  facts: OptionFacts<D | string> & {
    default: D;
    protocols: string[];
    /** A value written in another way than a URL, as a URL. */
    normal?: (text: string) => string;
  },
): Option<string | D> {
  const read = (text: string) => {
    const value = facts.normal?.(text) ?? text;
    const { protocol, username, password } = URL.canParse(value) ? new URL(value) : {};
    const allowed = protocol !== undefined && facts.protocols.includes(protocol);
    return allowed && (facts.secret || !(username || password)) ? value : undefined;
  };
  const schemes = facts.protocols.map((name) => `${name}//`).join(' or ');
  const expected = `a URL that begins with ${schemes}${facts.secret ? '' : ', without user and password'}`;
  return option({ type: 'url', placeholder: 'url', expected, parse: fromText(read) }, facts);
}

interface Bounds {
  min: number;
  max: number;
}

export function integer<D extends number | null>(
  facts: OptionFacts<D | number> & { default: D } & Bounds,
): Option<number | D> {
  const { min, max } = facts;
  const read = (value: string) => {
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  };
  const expected = `a whole number from ${min} to ${max}`;
  return option({ type: 'integer', placeholder: 'n', expected, parse: fromText(read) }, facts);
}

/** A number above 0. */
export function positive<D extends number | null>(
  facts: OptionFacts<D | number> & { default: D; max: number },
): Option<number | D> {
  const read = (value: string) => {
    const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
    return number > 0 && number <= facts.max ? number : undefined;
  };
  const expected = `a number above 0, ${facts.max} at most`;
  return option({ type: 'number', placeholder: 'n', expected, parse: fromText(read) }, facts);
}

/** A share from 0 to 1, or as a percentage. */
export function share<D extends number | null>(
  facts: OptionFacts<D | number> & { default: D },
): Option<number | D> {
  const read = (value: string) => {
    const [, number, percent] = /^(\d*\.?\d+)(%?)$/.exec(value) ?? [];
    const part = Number(number) / (percent ? 100 : 1);
    return number !== undefined && part <= 1 ? part : undefined;
  };
  const expected = 'a share from 0 to 1, or a percentage like 5%';
  return option({ type: 'share', placeholder: 'share', expected, parse: fromText(read) }, facts);
}

export function duration(facts: OptionFacts<number> & { default: number; min?: number }): Option<number> {
  const { min = 0 } = facts;
  const read = (value: string) => {
    const ms = parseDuration(value);
    return ms !== undefined && ms >= min ? ms : undefined;
  };
  const expected = `a duration like 250ms, 5s, 10m, 2h or 1d${min > 0 ? `, ${formatDuration(min)} at least` : ''}`;
  const kind = {
    type: 'duration',
    placeholder: 'duration',
    expected,
    parse: fromText(read),
    show: formatDuration,
  };
  return option<number, number>(kind, facts);
}

/** A moment, as ISO 8601 in UTC. Without a zone it is in that of the process. */
export function instant(facts: OptionFacts<string | null> & { default: null }): Option<string | null> {
  const read = (value: string) => {
    const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value) ? Date.parse(value) : Number.NaN;
    return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
  };
  const expected = 'a time like 2026-11-30T06:00Z, 2026-11-30T06:00+01:00 or 2026-11-30T06:00';
  return option({ type: 'time', placeholder: 'ISO time', expected, parse: fromText(read) }, facts);
}

export function durationRange(facts: OptionFacts<DurationRange>): Option<DurationRange> {
  const kind = {
    type: 'range',
    placeholder: 'from..to',
    expected: 'a duration or a range of them, like 1s..5s',
    parse: fromText(parseDurationRange),
    show: formatDurationRange,
  };
  return option<DurationRange, DurationRange>(kind, facts);
}

export function size(facts: OptionFacts<number> & { default: number; min: number }): Option<number> {
  const read = (value: string) => {
    const bytes = parseSize(value);
    return bytes !== undefined && bytes >= facts.min ? bytes : undefined;
  };
  const expected = `a size like 512KiB, 64MiB or 10MB, ${formatSize(facts.min)} at least`;
  const kind = { type: 'size', placeholder: 'size', expected, parse: fromText(read), show: formatSize };
  return option<number, number>(kind, facts);
}

export function countOrShare(facts: OptionFacts<CountOrShare | null>): Option<CountOrShare | null> {
  const kind = {
    type: 'percentOrCount',
    placeholder: 'n|n%',
    expected: 'a whole number or a percentage, like 100 or 2.5%',
    parse: fromText(parseCountOrShare),
    show: formatCountOrShare,
  };
  return option<CountOrShare, null>(kind, facts);
}

/** Calls in stretches of time: `10`, `10/s`, `10/s,20000/d`. */
export function rateWindows(
  facts: OptionFacts<readonly RateWindow[] | null>,
): Option<readonly RateWindow[] | null> {
  const kind = {
    type: 'rate',
    placeholder: 'n|n/s,n/d',
    expected:
      'a number above 0 (calls per second), or calls in stretches of time like 10/s, 600/min or 10/s,20000/d, of which a longer one allows more',
    parse: fromText(parseRateWindows),
    show: formatRateWindows,
  };
  return option<readonly RateWindow[], null>(kind, facts);
}

export function hours(facts: OptionFacts<Hours | null>): Option<Hours | null> {
  const kind = {
    type: 'hours',
    placeholder: 'hh:mm-hh:mm[Zone]',
    expected: 'hours like 22:00-06:00 or 09:00-12:00,13:00-17:00[Europe/Paris]',
    parse: fromText(parseHours),
    show: formatHours,
  };
  return option<Hours, null>(kind, facts);
}

export function condition(facts: OptionFacts<Condition | null>): Option<Condition | null> {
  const kind = {
    type: 'condition',
    placeholder: 'field<number',
    expected: `a condition like confidence<0.7: one of ${CONDITION_FIELDS.join(', ')}, then < <= > >= or =, then a number`,
    parse: fromText(parseCondition),
    show: formatCondition,
  };
  return option<Condition, null>(kind, facts);
}

export function choice<const C extends string>(
  allowed: readonly C[],
  facts: OptionFacts<NoInfer<C>>,
): Option<C> & { allowed: readonly C[] } {
  const read = (value: string) => allowed.find((name) => name === value);
  const expected = `one of ${allowed.join(', ')}`;
  const kind = { type: 'enum', placeholder: allowed.join('|'), expected, parse: fromText(read) };
  return { ...option<C, C>(kind, facts), allowed };
}

const BOOLEANS = new Map<unknown, boolean>([
  ...[true, 'true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...[false, 'false', '0', 'no', 'off'].map((word) => [word, false] as const),
]);

export function boolean(facts: Omit<OptionFacts<boolean>, 'default'>): Option<boolean> {
  const parse = (raw: unknown) => BOOLEANS.get(typeof raw === 'string' ? raw.trim().toLowerCase() : raw);
  const kind = { type: 'boolean', placeholder: '', expected: 'true or false', parse };
  return option<boolean, boolean>(kind, { ...facts, default: false });
}

/** Texts: a list as it is, or one text split at its commas. */
export function list(
  facts: OptionFacts<readonly string[] | null> & { pattern?: RegExp; expected?: string },
): Option<readonly string[] | null> {
  const allowed = (word: string) => word !== '' && (facts.pattern?.test(word) ?? true);
  const parse = (raw: unknown) => {
    const words = Array.isArray(raw)
      ? raw.map(textOf)
      : textOf(raw)
          ?.split(',')
          .map((word) => word.trim());
    return words?.every((word) => word !== undefined && allowed(word)) ? (words as string[]) : undefined;
  };
  const kind = {
    type: 'list',
    placeholder: 'a,b,c',
    expected: facts.expected ?? 'a list like a,b,c without empty entries',
    parse,
    show: (words: readonly string[]) => words.join(','),
  };
  return option<readonly string[], null>(kind, facts);
}

/** A JSON file's path; in a settings file the object itself will do. */
export function jsonFile(facts: OptionFacts<string | object | null>): Option<string | object | null> {
  const parse = (raw: unknown) =>
    typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? raw : textOf(raw) || undefined;
  const kind = {
    type: 'json file',
    placeholder: 'file.json',
    expected: 'the path of a JSON file',
    parse,
    show: (value: string | object) => (typeof value === 'string' ? value : JSON.stringify(value)),
  };
  return option<string | object, null>(kind, facts);
}
