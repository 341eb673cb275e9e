import type { Job } from 'bullmq';
import { expect, test } from 'vitest';
import { type ChunkHandlers, type LineOutcome, processChunk } from '../../src/consumers/process-chunk.js';
import { type ChunkData, encodeChunk, type QueuedLine } from '../../src/queues/chunk.js';
import { settledRow } from '../pipeline/endings.js';

const LINE: QueuedLine = { line: 1, text: '{}' };
const polled = { ...LINE, task: 't', at: 0 };
const away = () => Promise.reject(new Error('Redis is away'));

const NEXT_STEPS: [string, LineOutcome<QueuedLine>, Partial<ChunkHandlers<QueuedLine>>][] = [
  ['its end', { kind: 'ended', ending: settledRow({ line: 1 }) }, { recorder: { end: away } }],
  ['its poll job', { kind: 'submitted', line: polled, delayMs: 1 }, { submitted: away }],
  ['another job of its queue', { kind: 'alone', line: LINE, delayMs: 1 }, { requeue: away }],
];

test.each(NEXT_STEPS)(
  'a line whose next step is not in Redis stays in its job: %s',
  async (_what, outcome, fails) => {
    const job = { data: encodeChunk(0, [LINE]) } as Job<ChunkData>;
    let released = 0;
    const handlers: ChunkHandlers<QueuedLine> = {
      recorder: { end: async () => undefined },
      handle: async () => outcome,
      release: (lines) => {
        released += lines;
      },
      submitted: async () => undefined,
      group: () => [],
      requeue: async () => undefined,
    };
    const chunk = { source: 0, lines: [LINE] };
    // A job ends when this resolves, and is tried again when it throws.
    await expect(processChunk(job, 'token', chunk, { ...handlers, ...fails })).rejects.toThrow(
      'Redis is away',
    );
    await processChunk(job, 'token', chunk, handlers);
    expect(released).toBe(2);
  },
);
