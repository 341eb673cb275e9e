import { expect, test } from 'vitest';
import type { Envelope } from '../../src/runs/envelope.js';
import { ownWait } from '../../src/runs/own-limits.js';

const HOURS = '09:00-17:00[UTC]';
const envelope = (spent: Envelope['spent']): Envelope => ({
  ...{ paid: 100, paidToday: 100, out: 0, again: 0, reserved: 0, price: 10 },
  spent,
});

test.each([
  ['a day that is spent ends at midnight', null, 'day', '12:00', '2026-01-02T00:00:00.000Z'],
  ['or when the hours of the next one begin', HOURS, 'day', '12:00', '2026-01-02T09:00:00.000Z'],
  ['before its hours a run waits for them', HOURS, null, '08:00', '2026-01-01T09:00:00.000Z'],
  ['within them it does not wait', HOURS, null, '12:00', null],
] as const)('%s', (_what, hours, spent, at, until) => {
  const wait = ownWait({ hours, spendPerDay: 100 }, envelope(spent), Date.parse(`2026-01-01T${at}:00Z`));
  expect(wait && new Date(wait.until).toISOString()).toBe(until);
});
