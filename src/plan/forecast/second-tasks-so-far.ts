import { type Range, shareOf } from '../../lib/range.js';
import { costOfLabels, type Price } from '../price.js';
import { secondOf } from '../second-tasks.js';

/** The second tasks that a run with `--escalate` has bought so far. */
export interface SecondTasksSoFar {
  /** Lines that have ended after a second task; `answered`: those of them that have a second answer. */
  ended: number;
  answered: number;
  /** Second tasks in flight. */
  out: number;
  /** Cost of the answered ones, satoshis. */
  costSats: number;
  /** Expected price of a second task divided by the price of a first one. Used until enough were paid for. */
  priceRatio: number;
}

/** Second tasks that are not submitted yet. The share of coming lines that is asked again is the share so far. */
export function secondTasksToCome(soFar: SecondTasksSoFar | null, left: Range, called: number): Range {
  if (soFar === null) return NONE;
  const firsts = called + soFar.out;
  if (firsts === 0) return NONE;
  const less = (lines: number) => Math.max(0, lines - soFar.out);
  const lines = { expected: less(left.expected), low: less(left.low), high: less(left.high) };
  return secondOf(lines, shareOf(soFar.ended + soFar.out, firsts));
}

/** From this many answers on, the price of a second task is known. */
const MIN_ANSWERS = 20;

/** The cost of the second tasks that are in flight or still to come. */
export function costOfSecondTasks(soFar: SecondTasksSoFar | null, more: Range, first: Price): Range {
  if (soFar === null) return NONE;
  const { answered, out, costSats, priceRatio } = soFar;
  const price: Price =
    answered >= MIN_ANSWERS
      ? { value: costSats / answered, source: 'history', labels: answered, spread: 0 }
      : { ...first, value: first.value * priceRatio };
  return costOfLabels(price, {
    expected: more.expected + out,
    low: more.low + out,
    high: more.high + out,
  });
}

const NONE: Range = { expected: 0, low: 0, high: 0 };
