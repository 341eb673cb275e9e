import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/lib/seeded-random.js';
import { createSpread } from '../../../src/plan/pilot/spread.js';
import { chosenLines, pilotId, pilotOut } from '../../../src/runs/pilot-lines.js';

function choose(wanted: number, sources: number[], seed = 7) {
  const spread = createSpread(wanted, sources.length, seededRandom(seed));
  for (const [source, lines] of sources.entries())
    for (let line = 1; line <= lines; line += 1) spread.add(source, line, (line - 1) * 100);
  return spread.chosen();
}

test.each([
  [100, [10_000]],
  [100, [5_000, 5_000]],
  [100, [9_000, 500, 3, 1]],
  [7, [1_000_003]],
  [100, Array.from({ length: 40 }, (_, n) => n * 31 + 1)],
  [10, Array.from({ length: 200 }, () => 5)],
  [1, [1]],
])(
  '%d lines of sources of %j: as many as wanted, each once, in order, each source its share',
  (wanted, sources) => {
    const chosen = choose(wanted, sources);
    const total = sources.reduce((sum, n) => sum + n, 0);
    expect(chosen.lines).toEqual(sources);
    expect(chosenLines(chosen)).toBe(Math.min(wanted, total));
    for (const [source, places] of chosen.places.entries()) {
      const lines = places.map(([line]) => line);
      expect(lines).toEqual([...new Set(lines)].sort((a, b) => a - b));
      for (const [line, offset] of places) {
        expect(line).toBeLessThanOrEqual(sources[source] ?? 0);
        expect(offset).toBe((line - 1) * 100);
      }
      const share = ((sources[source] ?? 0) / total) * wanted;
      if (sources.length <= wanted) {
        expect(places.length).toBeGreaterThanOrEqual(1);
        expect(Math.abs(places.length - share)).toBeLessThan(2 + 0.1 * wanted);
      }
    }
  },
);

test('all of a manifest that has fewer lines than wanted', () => {
  expect(choose(10, [4, 0, 2]).places.map((places) => places.map(([line]) => line))).toEqual([
    [1, 2, 3, 4],
    [],
    [1, 2],
  ]);
});

test('lines lie evenly over a source, and each is as likely as another', () => {
  const seen = new Array<number>(20).fill(0);
  for (let seed = 1; seed <= 50; seed += 1) {
    const [places = []] = choose(100, [10_000], seed).places;
    const tenths = new Array<number>(10).fill(0);
    for (const [line] of places) {
      const tenth = Math.floor((line - 1) / 1_000);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
      const twentieth = Math.floor((line - 1) / 500);
      seen[twentieth] = (seen[twentieth] ?? 0) + 1;
    }
    for (const n of tenths) expect(Math.abs(n - 10)).toBeLessThanOrEqual(4);
  }
  for (const n of seen) expect(Math.abs(n / 250 - 1)).toBeLessThan(0.25);
});

test('the same numbers choose the same lines', () => {
  expect(choose(50, [3_000, 2_000])).toEqual(choose(50, [3_000, 2_000]));
  expect(choose(50, [3_000, 2_000])).not.toEqual(choose(50, [3_000, 2_000], 8));
});

test("a pilot's name and place follow from those of its run", () => {
  expect(pilotId('ab12', 300)).toBe('ab12.pilot-300');
  expect(() => pilotId('x'.repeat(60), 300)).toThrow(/too long for a pilot/);
  expect(pilotOut('/data/out/', 300)).toBe('/data/out-pilot-300');
  expect(pilotOut('s3://bucket/a/b', 300)).toBe('s3://bucket/a/b-pilot-300');
  expect(pilotOut('s3://bucket', 300)).toBe('s3://bucket/pilot-300');
});
