import path from 'node:path';
import { expect, test } from 'vitest';
import {
  boughtTasks,
  line,
  pipelineTo,
  readOut,
  runLines,
  sandbox,
  tempDir,
  writeManifest,
} from './harness.js';

test('a failures file is a manifest: objects are taken under the keys they had, texts fail again', async () => {
  const gateway = await sandbox({ errorRate: 1 });
  const pipeline = await pipelineTo(gateway.url);
  const dir = await tempDir();
  const own = line(6, { idempotency_key: 'mine', type: 'text_classification', shelf: 4 });
  const broken = { metadata: { n: 7 } };
  const lines = [...[1, 2, 3, 4, 5].map((n) => line(n)), own, broken, '{"data_url": ', '"a text"'];
  const manifest = await writeManifest(dir, lines);
  await runLines(pipeline, dir, manifest, { runId: 'first', retryFor: '1ms' });
  const { failures, names } = await readOut(path.join(dir, 'out'));
  expect(failures).toHaveLength(lines.length);

  gateway.set({ errorRate: 0 });
  const parts = names.filter((name) => name.startsWith('failures-'));
  expect(parts).toHaveLength(1);
  const out = path.join(dir, 'again');
  const again = await runLines(pipeline, dir, path.join(dir, 'out', String(parts[0])), {
    runId: 'second',
    out,
  });
  expect(again.summary).toMatchObject({ lines: 9, settled: 6, failures: { invalid_line: 3 } });
  const second = await readOut(out);
  const keyOf = (rows: { metadata?: unknown; input?: unknown; idempotency_key: string | null }[]) =>
    new Map(rows.map((row) => [JSON.stringify(row.metadata), row.idempotency_key]));
  const had = keyOf(
    failures
      .filter(({ stage }) => stage !== 'manifest')
      .map((row) => ({ ...row, metadata: (row.input as { metadata: unknown }).metadata })),
  );
  expect(keyOf(second.results)).toEqual(had);
  expect(had.get('{"n":6}')).toBe('mine');
  expect(await boughtTasks(gateway.url)).toHaveLength(6);
  // What could not be taken is on record again, as it was.
  expect(second.failures.map(({ input }) => input)).toEqual(
    expect.arrayContaining([broken, '{"data_url": ', '"a text"']),
  );
});
