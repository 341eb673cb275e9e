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

/** Whole numbers, the range not made narrower. */
export const whole = ({ expected, low, high }: Range): Range => ({
  expected: Math.round(expected),
  low: Math.floor(low),
  high: Math.ceil(high),
});
