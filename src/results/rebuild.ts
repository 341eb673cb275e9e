import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { IngestError } from '../errors.js';
import type { RedisClient } from '../redis/connection.js';
import { confidenceField, EXAMPLES, exampleField, exampleOf } from '../runs/history.js';
import { runKeys } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import type { PartRecord } from '../runs/status.js';
import { readRows } from './read-rows.js';
import type { FailureRow, ResultRow } from './rows.js';
import { parsePartName, type Sink } from './sink.js';

const BATCH = 500;

/**
 * Gives a run that Redis has lost its memory back from the parts that it left: bits, counts and part numbers. Only
 * for a run that has just been put on record and has produced nothing. Resolves to how many lines had ended.
 */
export async function rebuildFromParts(
  redis: RedisClient,
  prefix: string,
  record: RunRecord,
  sink: Sink,
  log: Logger,
) {
  const keys = runKeys(prefix, record.id);
  const sourceIndex = new Map(record.manifest.sources.map((name, index) => [name, index]));
  const failed = new Map<string, number>();
  let lines = 0;
  for (const name of await sink.listParts(record.id)) {
    const kind = parsePartName(name)?.kind;
    const part: PartRecord = { name, rows: 0, bytes: 0, sha256: '' };
    const hash = createHash('sha256');
    const rows = readRows(sink, name, (chunk) => {
      hash.update(chunk);
      part.bytes += chunk.length;
    });
    let pipeline = redis.pipeline();
    for await (const text of rows) {
      const row = JSON.parse(text) as ResultRow | FailureRow;
      const source = row.source === null ? 0 : sourceIndex.get(row.source);
      if (source === undefined)
        throw new IngestError(
          'sink',
          `${name} holds a line of ${row.source}, which the manifest does not have`,
        );
      part.rows += 1;
      pipeline.setbit(keys.ended(source), row.line - 1, 1);
      countRow(pipeline, keys, kind === 'results' ? (row as ResultRow) : null, row, failed);
      if (part.rows % BATCH === 0) {
        await executed(pipeline);
        pipeline = redis.pipeline();
      }
    }
    part.sha256 = hash.digest('hex');
    pipeline.rpush(keys.parts, JSON.stringify(part));
    await executed(pipeline);
    lines += part.rows;
  }
  if (lines > 0)
    log.warn({ run: record.id, lines }, 'Redis had lost this run; it goes on from the parts in --out');
  return lines;
}

/** A pipeline reports what Redis refused in its answers. */
async function executed(pipeline: ReturnType<RedisClient['pipeline']>): Promise<void> {
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
}

function countRow(
  pipeline: ReturnType<RedisClient['pipeline']>,
  keys: ReturnType<typeof runKeys>,
  result: ResultRow | null,
  row: ResultRow | FailureRow,
  failed: Map<string, number>,
): void {
  // What has a task was bought, as far as --budget can still know: tasks in flight when Redis was lost are not here.
  if (row.task_id !== undefined)
    for (const name of ['bought', 'accepted']) pipeline.hincrby(keys.counts, name, 1);
  if (result) {
    pipeline.hincrby(keys.counts, 'settled', 1);
    pipeline.hincrby(keys.counts, 'cost_sats', Math.round(result.cost_sats ?? 0));
    pipeline.hincrby(keys.labels, result.consensus_label ?? '(none)', 1);
    pipeline.hincrby(keys.history, confidenceField(result.confidence), 1);
  } else {
    const failure = row as FailureRow;
    const { code } = failure.error;
    const n = (failed.get(code) ?? 0) + 1;
    failed.set(code, n);
    pipeline.hincrby(keys.counts, 'failed', 1);
    pipeline.hincrby(keys.failures, code, 1);
    if (n <= EXAMPLES)
      pipeline.hset(keys.examples, exampleField(code, n), JSON.stringify(exampleOf(failure)));
  }
}
