import { expect, test } from 'vitest';
import { start, task } from './client.js';

/** The results of twenty tasks, without what follows from time and order. */
async function outcomes(options: object, order: (n: number[]) => number[] = (n) => n) {
  const { post, get } = await start(options);
  const results = new Map<number, object>();
  for (const n of order(Array.from({ length: 20 }, (_, index) => index))) {
    const { task_id } = (await post('/v1/tasks', task(n))).body;
    const { consensus_label, confidence, worker_count, agreement_count, bsv_txid } = (
      await get(`/v1/tasks/${task_id}/result`)
    ).body;
    results.set(n, { consensus_label, confidence, worker_count, agreement_count, bsv_txid });
  }
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}

test('results follow from the seed and the task, not from order or time', async () => {
  const forwards = await outcomes({});
  expect(await outcomes({}, (n) => n.reverse())).toEqual(forwards);
  expect(await outcomes({ seed: 2 })).not.toEqual(forwards);
});

test('labels and confidences vary', async () => {
  const results = (await outcomes({})) as { consensus_label: string; confidence: number }[];
  expect(new Set(results.map((result) => result.consensus_label)).size).toBeGreaterThan(1);
  expect(new Set(results.map((result) => result.confidence)).size).toBeGreaterThan(5);
  for (const { confidence } of results) expect(confidence > 0.5 && confidence <= 1).toBe(true);
});
