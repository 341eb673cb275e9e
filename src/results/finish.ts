import type { Logger } from 'pino';
import { runKeys } from '../runs/keys.js';
import { type RunReading, readRun } from '../runs/read-status.js';
import type { RunSummary } from '../runs/status.js';
import { transition } from '../runs/transition.js';
import type { Flusher } from './flush.js';

/** Whether every line has ended and nothing is left to do but to make the last rows durable and to sum up. */
export function allEnded({ record, status, jobs }: RunReading): boolean {
  const ended = status.settled + status.failed;
  if (record.state === 'cancelled') return status.in_flight === 0 && jobs.submit === 0 && jobs.poll === 0;
  return status.produced && ended === status.lines;
}

/**
 * Writes `summary.json` and completes the run, once all rows are in parts. Resolves to false when they are not, or
 * when the parts do not add up: then nothing is written.
 */
export async function finishRun(flusher: Flusher, runId: string, log: Logger): Promise<boolean> {
  const { redis, prefix, sink } = flusher;
  const keys = runKeys(prefix, runId);
  const reading = await readRun(redis, prefix, runId);
  if (reading === null || !allEnded(reading) || reading.unflushed.entries > 0 || reading.planned)
    return false;
  const { status } = reading;
  const rows = status.parts.reduce((sum, part) => sum + part.rows, 0);
  if (rows !== status.settled + status.failed) {
    log.error(
      { run: runId, rows, settled: status.settled, failed: status.failed },
      'the parts do not add up',
    );
    return false;
  }
  const onRecord = new Set(status.parts.map((part) => part.name));
  for (const name of await sink.listParts(runId)) {
    if (onRecord.has(name)) continue;
    log.warn({ run: runId, part: name }, 'a part that the run has no record of is set aside');
    await sink.setAside(name);
  }
  const endedAt = new Date().toISOString();
  await redis.hsetnx(keys.record, 'ended_at', endedAt);
  const summary: RunSummary = {
    ...summaryOf(reading),
    state: reading.record.state === 'cancelled' ? 'cancelled' : 'completed',
    ended_at: (await redis.hget(keys.record, 'ended_at')) ?? endedAt,
  };
  await sink.writeSummary(`${JSON.stringify(summary, null, 2)}\n`);
  await redis.hset(keys.record, 'summed_up', 1);
  await transition(redis, keys, 'completed');
  return true;
}

/** The summary so far, in the order of `summary.json`. */
export function summaryOf({ status }: RunReading): RunSummary {
  const {
    queued: _q,
    in_flight: _i,
    rate: _r,
    eta_seconds: _e,
    reason: _w,
    message: _m,
    produced: _p,
    ...summary
  } = status;
  return summary;
}
