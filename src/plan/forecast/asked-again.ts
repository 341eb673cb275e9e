import { type Range, shareOf } from '../../lib/range.js';
import { costOfLabels, type Price } from '../price.js';
import { secondOf } from '../second-tasks.js';

/** The second tasks that a run with `--escalate` has bought so far. */
export interface AskedAgain {
  /** Lines that have ended after one; of them, those with a second answer. */
  ended: number;
  answered: number;
  /** Second tasks that are out. */
  out: number;
  /** Sats, of those that were answered. */
  costSats: number;
  /** A second task costs so many times as much as a first one, while few were paid for. */
  dearer: number;
}

/** Second tasks that are not submitted yet, if as many of the lines to come are asked again as of those so far. */
export function moreAgain(again: AskedAgain | null, left: Range, called: number): Range {
  if (again === null) return NONE;
  const firsts = called + again.out;
  if (firsts === 0) return NONE;
  const less = (lines: number) => Math.max(0, lines - again.out);
  const lines = { expected: less(left.expected), low: less(left.low), high: less(left.high) };
  return secondOf(lines, shareOf(again.ended + again.out, firsts));
}

/** From so many on, their own price is known. */
const TELLING = 20;

/** What the second tasks cost that are out or to come. */
export function costOfMore(again: AskedAgain | null, more: Range, first: Price): Range {
  if (again === null) return NONE;
  const { answered, out, costSats, dearer } = again;
  const price: Price =
    answered >= TELLING
      ? { value: costSats / answered, source: 'history', labels: answered, spread: 0 }
      : { ...first, value: first.value * dearer };
  return costOfLabels(price, {
    expected: more.expected + out,
    low: more.low + out,
    high: more.high + out,
  });
}

const NONE: Range = { expected: 0, low: 0, high: 0 };
