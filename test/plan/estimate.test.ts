import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { createObjectStores } from '../../src/lib/object-stores/index.js';
import { seededRandom } from '../../src/lib/seeded-random.js';
import { openManifest } from '../../src/manifest/index.js';
import { estimateTotals } from '../../src/plan/estimate.js';
import { readSample } from '../../src/plan/read-sample.js';
import { chooseBlocks } from '../../src/plan/sample-blocks.js';
import { createTally } from '../../src/plan/tally.js';
import { randomFrom } from '../../src/sandbox/random.js';

const TASK = {
  taskType: 'image_classification',
  labelSpec: { question: 'Which?', options: ['a', 'b'] },
  consensusThreshold: null,
  key: 'line',
};

test('blocks that are all alike leave nothing open; those that differ do', () => {
  const alike = Array.from({ length: 10 }, () => ({ measure: 100, counts: [5] }));
  expect(estimateTotals(alike, 10_000)).toEqual([{ expected: 500, low: 500, high: 500 }]);
  const [one] = estimateTotals(
    alike.map((block, n) => ({ ...block, counts: [n % 2 === 0 ? 0 : 10] })),
    10_000,
  );
  expect(one?.expected).toBe(500);
  expect(one?.low).toBeLessThan(300);
  expect(one?.high).toBeGreaterThan(700);
});

test('what was not seen once may still be there', () => {
  const [none] = estimateTotals([{ measure: 100, counts: [0] }], 10_000);
  expect(none).toEqual({ expected: 0, low: 0, high: 300 });
});

test('blocks lie in every stretch of the sources, the same for the same seed', () => {
  const source = (index: number, size: number) =>
    ({ index, name: `${index}`, uri: '', version: '', compression: null, seekable: true, size }) as const;
  const sources = [source(0, 50_000_000), source(1, 1_000), source(2, 150_000_000)];
  const blocks = chooseBlocks(sources, 0.1, seededRandom(7)) ?? [];
  expect(blocks).toEqual(chooseBlocks(sources, 0.1, seededRandom(7)));
  const share = blocks.reduce((sum, { start, end }) => sum + end - start, 0) / 200_001_000;
  expect(share).toBeGreaterThan(0.09);
  expect(share).toBeLessThan(0.11);
  const firsts = blocks.filter(({ source: { index } }) => index === 0).length;
  expect(firsts / blocks.length).toBeCloseTo(0.25, 1);
});

/** Lines of 40 to 400 bytes; those of the second half are longer, and one in 50 is broken. */
function manifestText(count: number): string {
  const random = randomFrom('sample');
  let text = '';
  for (let n = 0; n < count; n += 1) {
    if (n % 50 === 49) text += '{"data_url": broken}\n';
    else {
      const pad = 'x'.repeat(Math.floor(random() * (n < count / 2 ? 100 : 300)));
      text += `${JSON.stringify({ data_url: `https://a.example.org/${n}.jpg`, metadata: pad })}\n`;
    }
  }
  return text;
}

test.each(['plain', 'gzip'] as const)(
  'a tenth of a %s manifest tells of the whole within its bounds',
  async (kind) => {
    const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-test-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const lines = 60_000;
    const text = manifestText(lines);
    const file = path.join(dir, kind === 'gzip' ? 'm.jsonl.gz' : 'm.jsonl');
    await writeFile(file, kind === 'gzip' ? gzipSync(text, { level: 1 }) : text);
    const tally = createTally({ task: TASK, sources: 1, slots: 1 << 12 });
    const estimate = await readSample(await openManifest(file), 0.1, tally, {
      objectStores: createObjectStores(),
      signal: new AbortController().signal,
      onRead: () => undefined,
    });
    expect(estimate).not.toBeNull();
    for (const [found, truth] of [
      [estimate?.lines, lines],
      [estimate?.valid, lines * 0.98],
    ] as const) {
      // Twice the bounds: they are missed by one sample of twenty, and this is one sample.
      const slack = ((found?.high ?? 0) - (found?.low ?? 0)) / 2;
      expect(truth).toBeGreaterThanOrEqual((found?.low ?? 0) - slack);
      expect(truth).toBeLessThanOrEqual((found?.high ?? 0) + slack);
      expect((found?.high ?? 0) - (found?.low ?? 0)).toBeLessThan(truth / 3);
    }
    const { checked = 0 } = estimate ?? {};
    expect(checked / text.length).toBeGreaterThan(0.03);
    expect(checked / text.length).toBeLessThan(0.3);
    expect(Object.keys(tally.result().rejected)).toEqual(['invalid_json']);
  },
);

test('a small manifest is not sampled', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'asg-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'm.jsonl');
  await writeFile(file, manifestText(100));
  const tally = createTally({ task: TASK, sources: 1, slots: 1 << 12 });
  const options = {
    objectStores: createObjectStores(),
    signal: new AbortController().signal,
    onRead: () => undefined,
  };
  expect(await readSample(await openManifest(file), 0.01, tally, options)).toBeNull();
  expect(tally.lines()).toBe(0);
});
