/** A figure that is not known exactly. In 19 of 20 cases it lies within `low` and `high`. */
export interface Range {
  expected: number;
  low: number;
  high: number;
}

export const exactly = (value: number): Range => ({ expected: value, low: value, high: value });

/** A figure and how far off it may be, up or down; never below 0. */
export const within = (expected: number, error: number): Range => ({
  expected,
  low: Math.max(0, expected - error),
  high: expected + error,
});

export const plus = (a: Range, b: Range): Range => ({
  expected: a.expected + b.expected,
  low: a.low + b.low,
  high: a.high + b.high,
});

/** Rounds to whole numbers. The range does not become narrower. */
export const whole = ({ expected, low, high }: Range): Range => ({
  expected: Math.round(expected),
  low: Math.floor(low),
  high: Math.ceil(high),
});

/** A share estimated from a sample: two standard errors. When the sample has none, up to three may have been missed. */
export function shareOf(n: number, total: number): Range {
  const share = Math.min(1, n / total);
  const error = 2 * Math.sqrt((share * (1 - share)) / total);
  return {
    expected: share,
    low: Math.max(0, share - error),
    high: Math.min(1, n === 0 ? 3 / total : share + error),
  };
}
