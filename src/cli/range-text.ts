import type { Range } from '../lib/range.js';

export const between = ({ low, high }: Range, show: (n: number) => string): string =>
  `${show(low)} to ${show(high)}`;

/** A figure, and how far off it may be. */
export const ranged = (value: Range, show: (n: number) => string): string =>
  value.low === value.high ? show(value.expected) : `${show(value.expected)} (${between(value, show)})`;
