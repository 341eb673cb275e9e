import { describe, expect, test } from 'vitest';
import {
  formatHours,
  type Hours,
  isWithin,
  nextOutside,
  nextWithin,
  parseHours,
} from '../../src/config/hours.js';
import { formatRateWindows, parseRateWindows, sustainedRate } from '../../src/config/rate-windows.js';

describe('rate windows', () => {
  test('are read, the shortest first, and written as they are read', () => {
    expect(parseRateWindows('10')).toEqual([{ calls: 10, perMs: 1_000 }]);
    expect(parseRateWindows('20000/d, 10/s')).toEqual([
      { calls: 10, perMs: 1_000 },
      { calls: 20_000, perMs: 86_400_000 },
    ]);
    for (const text of ['10/s', '0.5/s,100/m,2000/h,20000/d'])
      expect(formatRateWindows(parseRateWindows(text) ?? [])).toBe(text);
  });

  test('that mean nothing are refused', () => {
    for (const text of [
      '',
      '0',
      '-1',
      '10/',
      '10/w',
      '10/s,5/s',
      '10/s,5/m',
      '1e3/s',
      'ten',
      '10/s,',
      '10 /s',
    ])
      expect(parseRateWindows(text)).toBeUndefined();
  });

  test('the tightest decides in the long run', () => {
    expect(sustainedRate(parseRateWindows('10/s,86400/d') ?? [])).toBe(1);
    expect(sustainedRate(parseRateWindows('10') ?? [])).toBe(10);
  });
});

describe('hours', () => {
  const hours = (text: string) => parseHours(text) as Hours;
  const at = (iso: string) => Date.parse(iso);

  test('are read and written as they are read', () => {
    for (const text of [
      '22:00-06:00',
      '22:00-06:00[Europe/Paris]',
      '00:00-24:00[UTC]',
      '09:00-12:00,13:00-17:30[UTC]',
    ])
      expect(formatHours(hours(text))).toBe(text);
  });

  test('that are none are refused', () => {
    for (const text of [
      '',
      '22-6',
      '22:00',
      '22:00-22:00',
      '25:00-06:00',
      '22:60-06:00',
      '22:00-06:00[Mars/Olympus]',
      '24:00-06:00',
      '22:00-06:00[]',
    ])
      expect(parseHours(text)).toBeUndefined();
  });

  test('past midnight, by the clock of the zone', () => {
    const night = hours('22:00-06:00[Europe/Paris]');
    expect(isWithin(night, at('2026-11-27T20:59:59Z'))).toBe(false);
    expect(isWithin(night, at('2026-11-27T21:00:00Z'))).toBe(true);
    expect(isWithin(night, at('2026-11-28T04:59:59Z'))).toBe(true);
    expect(isWithin(night, at('2026-11-28T05:00:00Z'))).toBe(false);
    expect(nextWithin(night, at('2026-11-27T12:34:56Z'))).toBe(at('2026-11-27T21:00:00Z'));
    expect(nextOutside(night, at('2026-11-27T23:00:00Z'))).toBe(at('2026-11-28T05:00:00Z'));
    const inside = at('2026-11-27T23:00:00.123Z');
    expect(nextWithin(night, inside)).toBe(inside);
  });

  test('when the clocks change on the way', () => {
    const early = hours('02:30-04:00[Europe/Paris]');
    // In spring there is no 02:30: it begins at 03:00, which is 01:00 UTC.
    expect(nextWithin(early, at('2026-03-28T20:00:00Z'))).toBe(at('2026-03-29T01:00:00Z'));
    const day = hours('08:00-20:00[Europe/Paris]');
    expect(nextWithin(day, at('2026-03-28T20:00:00Z'))).toBe(at('2026-03-29T06:00:00Z'));
    expect(nextWithin(day, at('2026-10-24T20:00:00Z'))).toBe(at('2026-10-25T07:00:00Z'));
  });

  test('that leave nothing out never end; the nearest of several spans is next', () => {
    expect(nextOutside(hours('00:00-24:00[UTC]'), 0)).toBe(Number.POSITIVE_INFINITY);
    const office = hours('13:00-17:00,09:00-12:00[UTC]');
    expect(nextWithin(office, at('2026-11-27T06:00:00Z'))).toBe(at('2026-11-27T09:00:00Z'));
    expect(nextWithin(office, at('2026-11-27T12:10:00Z'))).toBe(at('2026-11-27T13:00:00Z'));
    expect(nextOutside(office, at('2026-11-27T09:00:00Z'))).toBe(at('2026-11-27T12:00:00Z'));
  });
});
