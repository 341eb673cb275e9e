const DURATION_UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const SIZE_UNITS = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['GB', 1e9],
  ['MB', 1e6],
  ['KB', 1e3],
  ['B', 1],
] as const;

type Units = readonly (readonly [name: string, factor: number])[];

function parseQuantity(text: string, units: Units): number | undefined {
  if (text === '0') return 0;
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([a-z]+)$/i.exec(text) ?? [];
  const factor = units.find(([name]) => name === unit)?.[1];
  if (number === undefined || factor === undefined) return undefined;
  const value = Math.round(Number(number) * factor);
  return Number.isSafeInteger(value) ? value : undefined;
}

function formatQuantity(value: number, units: Units): string {
  if (value === 0) return '0';
  const [name, factor] = units.find(([, size]) => value % size === 0) ?? units.at(-1) ?? ['', 1];
  return `${value / factor}${name}`;
}

/** `250ms`, `5s`, `10m`, `2h`, `1d`, `1.5s` or `0`, as milliseconds; undefined when it is none of them. */
export const parseDuration = (text: string): number | undefined => parseQuantity(text, DURATION_UNITS);

/** Milliseconds in the largest unit that divides them: 90000 is `90s`. */
export const formatDuration = (ms: number): string => formatQuantity(ms, DURATION_UNITS);

/** `512KiB`, `64MiB`, `10MB`, `300B` or `0`, as bytes; undefined when it is none of them. */
export const parseSize = (text: string): number | undefined => parseQuantity(text, SIZE_UNITS);

/** Bytes in the first unit that divides them, those of 1,024 before those of 1,000. */
export const formatSize = (bytes: number): string => formatQuantity(bytes, SIZE_UNITS);

export interface DurationRange {
  minMs: number;
  maxMs: number;
}

/** `1s..5s`, or one duration for both ends; undefined when malformed or upside down. */
export function parseDurationRange(text: string): DurationRange | undefined {
  const [from = '', to = from, ...rest] = text.split('..');
  const [minMs, maxMs] = [parseDuration(from.trim()), parseDuration(to.trim())];
  if (minMs === undefined || maxMs === undefined || rest.length > 0 || minMs > maxMs) return undefined;
  return { minMs, maxMs };
}

export const formatDurationRange = ({ minMs, maxMs }: DurationRange): string =>
  `${formatDuration(minMs)}..${formatDuration(maxMs)}`;

/** A count, or a share from 0 to 1. */
export type CountOrShare = { count: number } | { share: number };

/** `25` is a count, `2.5%` a share; undefined when it is neither. */
export function parseCountOrShare(text: string): CountOrShare | undefined {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const value = Number(number);
  if (percent === '%') return value <= 100 ? { share: value / 100 } : undefined;
  return Number.isSafeInteger(value) ? { count: value } : undefined;
}

/** Whether `n` is more than a limit allows; of a share only from `fewest` on, as fewer say nothing. */
export function isOver(
  limit: CountOrShare | null | undefined,
  n: number,
  of: number,
  fewest: number,
): boolean {
  if (limit == null) return false;
  return 'count' in limit ? n > limit.count : of >= fewest && n / of > limit.share;
}

export const formatCountOrShare = (value: CountOrShare): string =>
  'count' in value ? String(value.count) : `${Number((value.share * 100).toFixed(6))}%`;
