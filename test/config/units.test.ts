import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatCountOrShare,
  formatDuration,
  formatSize,
  isOver,
  parseCountOrShare,
  parseDuration,
  parseDurationRange,
  parseSize,
} from '../../src/config/units.js';

test('durations', () => {
  const texts = ['250ms', '5s', '1.5s', '10m', '2h', '1d', '0'];
  expect(texts.map(parseDuration)).toEqual([250, 5_000, 1_500, 600_000, 7_200_000, 86_400_000, 0]);
  for (const text of ['5', '5 minutes', '-1s', 's', '', '1s2', '5S', '1e3s', `${'9'.repeat(20)}d`])
    expect(parseDuration(text)).toBeUndefined();
});

test('sizes', () => {
  expect(['64MiB', '10MB', '512KiB', '300B', '0'].map(parseSize)).toEqual([
    67_108_864, 10_000_000, 524_288, 300, 0,
  ]);
  for (const text of ['64', '64M', 'MiB', '-1B', '']) expect(parseSize(text)).toBeUndefined();
});

test('ranges', () => {
  expect(parseDurationRange('1s..5s')).toEqual({ minMs: 1_000, maxMs: 5_000 });
  expect(parseDurationRange('0..0')).toEqual({ minMs: 0, maxMs: 0 });
  expect(parseDurationRange('200ms')).toEqual({ minMs: 200, maxMs: 200 });
  for (const text of ['5s..1s', '1s..', '..1s', '1s..2s..3s', ''])
    expect(parseDurationRange(text)).toBeUndefined();
});

test('counts and shares', () => {
  expect(['0', '25', '2.5%', '100%'].map(parseCountOrShare)).toEqual([
    { count: 0 },
    { count: 25 },
    { share: 0.025 },
    { share: 1 },
  ]);
  for (const text of ['2.5', '101%', '-1', '%', '']) expect(parseCountOrShare(text)).toBeUndefined();
  expect([{ count: 25 }, { share: 0.07 }].map(formatCountOrShare)).toEqual(['25', '7%']);
});

test('a limit is passed by more than it says, and by a share only from a least number on', () => {
  expect([null, undefined].map((none) => isOver(none, 9, 9, 0))).toEqual([false, false]);
  expect([10, 11].map((n) => isOver({ count: 10 }, n, 11, 100))).toEqual([false, true]);
  expect([50, 51].map((n) => isOver({ share: 0.5 }, n, 100, 100))).toEqual([false, true]);
  expect([99, 100].map((of) => isOver({ share: 0.5 }, of, of, 100))).toEqual([false, true]);
});

test('what is printed reads back as the same', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 40),
      (n) => parseDuration(formatDuration(n)) === n && parseSize(formatSize(n)) === n,
    ),
  );
});
