import { expect, test } from 'vitest';
import {
  confidenceField,
  eventField,
  examplesOf,
  historyOf,
  resampleHistory,
  settleBinEnds,
  settleTimeField,
} from '../../../src/runs/timeline.js';

const startedAt = '2026-11-25T10:00:00.000Z';
const at = (seconds: number) => eventField('settled', { startedAt }, Date.parse(startedAt) + seconds * 1000);

test('columns of time are seconds at first, and twice as wide each time the run is twice as old', () => {
  expect([0, 0.9, 127, 128, 129, 130, 255, 256, 258].map(at)).toEqual([
    's0',
    's0',
    's127',
    's128',
    's128',
    's130',
    's254',
    's256',
    's256',
  ]);
  expect(at(-5)).toBe('s0');
  // A month of events is so many counters.
  const fields = new Set<string>();
  for (let seconds = 0; seconds < 30 * 86_400; seconds += Math.ceil((seconds + 1) / 128))
    fields.add(at(seconds));
  expect(fields.size).toBeLessThan(1_100);
});

test('a run of any length is shown in at most 64 columns of one width, none of whose events is split', () => {
  for (const duration of [1, 63, 65, 128, 1_000, 10_000, 1_000_000]) {
    const fields: Record<string, string> = {};
    for (let n = 0; n < 500; n += 1) {
      const field = at((n * duration) / 500);
      fields[field] = String(Number(fields[field] ?? 0) + 1);
    }
    const columns = resampleHistory(historyOf(fields), duration);
    expect(columns.length).toBeLessThanOrEqual(64);
    expect(columns.reduce((sum, { settled }) => sum + settled, 0)).toBe(500);
    const widths = new Set(columns.slice(0, -1).map(({ width }) => width));
    expect(widths.size).toBeLessThanOrEqual(1);
    expect(columns.reduce((sum, { width }) => sum + width, 0)).toBeCloseTo(duration, 6);
    // As many events a second in each: within the one that may fall on either side.
    for (const { settled, width } of columns.slice(0, -1))
      expect(Math.abs(settled - (width * 500) / duration)).toBeLessThanOrEqual(
        Math.max(1, 500 / duration) + 1,
      );
  }
});

test('all that a hash holds is read back', () => {
  expect(
    historyOf({ s0: '3', u0: '4', f2: '1', l2: '5', c19: '2', 'c-': '1', t0: '1', t3: '2', g1: '4' }),
  ).toMatchObject({
    columns: [
      { from: 0, width: 1, submitted: 4, settled: 3, failed: 0, limited: 0 },
      { from: 2, width: 1, submitted: 0, settled: 0, failed: 1, limited: 5 },
    ],
    withoutConfidence: 1,
    settleTimes: [1, 0, 0, 2],
    gatewayTimes: [0, 4],
  });
  expect(historyOf({ c19: '2' }).confidences[19]).toBe(2);
  const kept = { line: 3, source: null, stage: 'submit', message: 'no' };
  expect(
    examplesOf({ '2:a:b': JSON.stringify({ ...kept, line: 4 }), '1:a:b': JSON.stringify(kept) }),
  ).toEqual({
    'a:b': [kept, { ...kept, line: 4 }],
  });
});

test('bins: confidences by twentieths, settle times by √2', () => {
  expect([0, 0.049, 0.05, 0.35, 0.999, 1, 7, null, Number.NaN, -1].map(confidenceField)).toEqual([
    'c0',
    'c0',
    'c1',
    'c7',
    'c19',
    'c19',
    'c19',
    'c-',
    'c-',
    'c-',
  ]);
  expect([0, 100, 101, 142, 200, 201, 400, 1e12].map(settleTimeField)).toEqual([
    't0',
    't0',
    't1',
    't2',
    't2',
    't3',
    't4',
    't40',
  ]);
  expect(settleBinEnds(4)).toBe(400);
  expect(settleBinEnds(40)).toBeGreaterThan(86_400_000);
});
