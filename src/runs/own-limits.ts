import { type Hours, isWithin, nextOutside, nextWithin, parseHours } from '../config/hours.js';
import { number } from '../lib/format.js';
import { type Envelope, nextDay } from './envelope.js';
import type { RunPolicy } from './record.js';

/** A limit of the user's own that keeps a run from buying now. */
export interface OwnWait {
  for: 'day' | 'hours';
  why: string;
  /** When it goes on, epoch ms by Redis' clock. */
  until: number;
}

const hoursOf = ({ hours }: Pick<RunPolicy, 'hours'>): Hours | null => parseHours(hours ?? '') ?? null;

export const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

/** The current wait of a run that has lines to buy; `nowMs` by Redis' clock. */
export function ownWait(
  policy: Pick<RunPolicy, 'hours' | 'spendPerDay'>,
  envelope: Envelope,
  nowMs: number,
): OwnWait | null {
  const hours = hoursOf(policy);
  const opens = hours === null ? nowMs : nextWithin(hours, nowMs);
  if (envelope.spent === 'day') {
    const day = nextDay(nowMs);
    const until = hours === null ? day : nextWithin(hours, day);
    const why = `${number(envelope.paidToday)} of ${number(policy.spendPerDay ?? 0)} sats of --spend-per-day are spent; goes on at ${iso(until)}`;
    return { for: 'day', why, until };
  }
  if (opens <= nowMs) return null;
  return {
    for: 'hours',
    why: `submits in --hours ${policy.hours} only; goes on at ${iso(opens)}`,
    until: opens,
  };
}

/** Whether `--hours` allows submissions at a moment (epoch ms). */
export function maySubmitAt(policy: Pick<RunPolicy, 'hours'>, ms: number): boolean {
  const hours = hoursOf(policy);
  return hours === null || isWithin(hours, ms);
}

/** How long `--hours` allows submissions from now on, ms; infinite where nothing ends it. */
export function submitsForMs(policy: Pick<RunPolicy, 'hours'>, ms: number): number {
  const hours = hoursOf(policy);
  return hours === null ? Number.POSITIVE_INFINITY : nextOutside(hours, ms) - ms;
}
