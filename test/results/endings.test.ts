import { expect, test } from 'vitest';
import type { SettledResult } from '../../src/gateway/types.js';
import type { PolledLine } from '../../src/queues/chunk.js';
import { settledEnding } from '../../src/results/endings.js';
import type { RunRecord } from '../../src/runs/record.js';

const RECORD = {
  ...{ id: 'r', scope: '', startedAt: '2026-01-01T00:00:00Z' },
  manifest: { sources: ['m.jsonl'] },
  task: { taskType: 'x', labelSpec: null, consensusThreshold: null, key: 'content' },
} as unknown as RunRecord;
const RESULT = { task_id: 't', status: 'settled', consensus_label: 'cat', cost_sats: 975 } as SettledResult;
const LINE: PolledLine = { line: 1, text: '{"data_url":"https://x.example/1"}', key: 'k', task: 't', at: 0 };

test('a task that another run has bought costs this run nothing; its row tells the price', () => {
  const own = settledEnding(RECORD, 0, LINE, RESULT, 'poll', 1);
  const others = settledEnding(RECORD, 0, { ...LINE, boughtElsewhere: true }, RESULT, 'poll', 1);
  expect(own).toMatchObject({ costSats: 975, sharedTask: { key: 'k', id: 't' } });
  expect(others).toMatchObject({ costSats: 0 });
  expect(others).not.toHaveProperty('sharedTask');
  for (const { row } of [own, others]) expect(JSON.parse(row)).toMatchObject({ line: 1, cost_sats: 975 });
});
