import type { Logger } from 'pino';
import { isOver } from '../config/units.js';
import { IngestError } from '../lib/errors.js';
import type { RunForecast } from '../runs/forecast.js';
import { tooManyGoldErrors } from '../runs/gold.js';
import { type RunKeys, runKeys } from '../runs/keys.js';
import { acquireLease } from '../runs/lease.js';
import { type RunReading, readRun } from '../runs/read-status.js';
import { noteSummedUp } from '../runs/record.js';
import { runScript } from '../runs/run-script.js';
import { endedLines, type RunSummary } from '../runs/status.js';
import { transition } from '../runs/transition.js';
import type { Flusher } from './flush.js';
import { writePartsFeed } from './parts-feed.js';

/** How a run is going to end, or has ended: `readForecast` of `plan`. */
export type ReadForecast = (reading: RunReading) => Promise<RunForecast>;

export interface Finisher extends Flusher {
  forecast: ReadForecast;
}

const noteEnd = runScript('note-end');

/** A sample too small to judge a share of failures by. */
const FAILURE_SAMPLE = 100;

/** Whether every line has ended and nothing is left to do but to make the last rows durable and to sum up. */
export function allEnded({ record, status, jobs }: RunReading): boolean {
  const ended = endedLines(status);
  if (record.state === 'cancelled') return status.in_flight === 0 && jobs.submit === 0 && jobs.poll === 0;
  return status.produced && ended === status.lines;
}

/** Whether the run can be summed up now; a paused or blocked one goes on first, or with other limits. */
export function readyForSummary(reading: RunReading): boolean {
  const { state } = reading.record;
  if (reading.summedUp || !allEnded(reading)) return false;
  if (state === 'running')
    return (
      !tooManyFailures(reading) &&
      !tooManyGoldErrors(reading.status.gold, reading.record.policy.maxGoldErrors)
    );
  return state === 'cancelled' || state === 'completed';
}

/** Whether more lines have failed than `--max-failures` allows. */
export function tooManyFailures({ record, status }: RunReading): boolean {
  return isOver(record.policy.maxFailures, status.failed, status.settled + status.failed, FAILURE_SAMPLE);
}

/**
 * Writes `summary.json` and completes the run, once all rows are in parts. Resolves to false when they are not, or
 * another process is at it.
 *
 * @throws IngestError `sink` when the parts do not add up: then nothing is written.
 */
export async function finishRun(finisher: Finisher, runId: string, log: Logger): Promise<boolean> {
  const { redis, prefix } = finisher;
  const keys = runKeys(prefix, runId);
  const tally = await acquireLease(redis, keys, keys.tally);
  if (tally === null) return false;
  // A cancel stops the producer within a second: what it had under way is queued, and ends as cancelled, before the sum.
  const cancelled = (await redis.hget(keys.record, 'state')) === 'cancelled';
  const lease = cancelled ? await acquireLease(redis, keys) : null;
  try {
    if (cancelled && lease === null) return false;
    const reading = await readRun(redis, prefix, runId, { withParts: true });
    if (reading === null || !readyForSummary(reading) || reading.unflushed.rows > 0 || reading.planned)
      return false;
    await writeSummary(finisher, reading, keys, log);
    return true;
  } finally {
    await lease?.release();
    await tally.release();
  }
}

async function writeSummary(
  finisher: Finisher,
  reading: RunReading,
  keys: RunKeys,
  log: Logger,
): Promise<void> {
  const { redis, prefix, sink } = finisher;
  const { status } = reading;
  const { id: runId } = reading.record;
  const rows = status.parts.reduce((sum, part) => sum + part.rows, 0);
  const ended = endedLines(status);
  const withRows = ended - status.unchanged;
  if (rows !== withRows)
    throw new IngestError('sink', `the parts hold ${rows} rows, and ${withRows} lines have ended`, {
      hint: `repeat \`asg-ingest retry ${runId}\` if one was cut off`,
    });
  const onRecord = new Set(status.parts.map((part) => part.name));
  const there = await sink.listParts(runId);
  const missing = [...onRecord].find((name) => !there.includes(name));
  if (missing !== undefined) throw new IngestError('sink', `${missing} is missing`, { hint: 'put it back' });
  for (const name of there) {
    if (onRecord.has(name)) continue;
    log.warn({ run: runId, part: name }, 'a part that the run has no record of is set aside');
    await sink.setAside(name);
  }
  if (reading.record.state === 'cancelled') await redis.hset(keys.counts, 'lines', ended);
  await writePartsFeed(finisher, reading.record);
  const endedAt = new Date().toISOString();
  const noted = (await noteEnd.run(redis, [keys.record], [endedAt])) as string | null;
  if (noted === null) return;
  reading.record.endedAt = noted;
  const summary: RunSummary = {
    ...summaryOf(reading),
    lines: ended,
    state: reading.record.state === 'cancelled' ? 'cancelled' : 'completed',
    ended_at: noted,
    forecast: await finisher.forecast(reading),
  };
  const write = (state: RunSummary['state']) =>
    sink.writeSummary(`${JSON.stringify({ ...summary, state }, null, 2)}\n`);
  await write(summary.state);
  // In this order: a run that was cut off in between is summed up again.
  const state = await transition(redis, keys, 'completed');
  // A cancel that came while the summary was written stands.
  if (state === 'cancelled' && summary.state !== 'cancelled') await write('cancelled');
  await noteSummedUp(redis, prefix, runId);
}

/** The summary as of now, with its parts. */
export async function summaryNow(
  { redis, prefix, forecast }: Pick<Finisher, 'redis' | 'prefix' | 'forecast'>,
  before: RunReading,
): Promise<RunSummary> {
  const reading = (await readRun(redis, prefix, before.record.id, { withParts: true })) ?? before;
  return { ...summaryOf(reading), forecast: await forecast(reading) };
}

/** The summary so far, in the order of `summary.json`. */
function summaryOf({ status }: RunReading): RunSummary {
  const {
    queued: _q,
    in_flight: _i,
    rate: _r,
    eta_seconds: _e,
    reason: _w,
    message: _m,
    waiting_for: _f,
    waiting_until: _u,
    envelope: _n,
    produced: _p,
    ...summary
  } = status;
  return summary;
}
