import path from 'node:path';
import { usageError } from '../../lib/errors.js';
import { RUN_ID } from '../../lib/run-id.js';
import type { RedisClient } from '../../redis/connection.js';
import { readRows } from '../../results/read-rows.js';
import type { ResultRow } from '../../results/rows.js';
import { parsePartName, resolveOut, type Sink } from '../../results/sink.js';
import { runKeys } from '../../runs/keys.js';
import { headFrom } from '../../runs/record.js';
import type { EarlierResults, Since } from '../../runs/since.js';
import type { RunSummary } from '../../runs/status.js';

/** The places to search for an earlier run. */
export interface EarlierPlaces {
  /** Null: there is none yet. */
  redis: RedisClient | null;
  prefix: string;
  openSink: (out: string) => Sink;
  /** The new run's Gateway: labels of another one are not its labels. */
  gateway: string;
  cwd: string;
}

export interface AskedSince extends Since {
  /** Searched when a new run begins; a resumed run has found them already. */
  find(): Promise<EarlierResults[]>;
}

/**
 * The target of `--since`: a run, or the place of its results, marked by a slash in it.
 *
 * @throws IngestError `usage` when the place holds no results of a run that has ended
 */
export async function askSince(places: EarlierPlaces, value: string, carry: boolean): Promise<AskedSince> {
  if (RUN_ID.test(value)) return { run: value, carry, find: () => findEarlier(places, value, null) };
  const out = resolveOut(value, places.cwd);
  const { run_id: run } = await readSummary(
    places.openSink(out),
    `${out} holds no summary.json of a run that has ended`,
    'give the name of a run, or the place of its results',
  );
  return { run, carry, find: () => findEarlier(places, run, out) };
}

/** The results of a run, and of the earlier runs whose lines it has left out: what it did not buy is in their rows. */
async function findEarlier(
  places: EarlierPlaces,
  run: string,
  out: string | null,
  before: readonly string[] = [],
): Promise<EarlierResults[]> {
  const fields = (await places.redis?.hgetall(runKeys(places.prefix, run).record)) ?? {};
  const record = headFrom(fields);
  if (record !== null && fields.summed_up !== '1')
    throw usageError('--since', `run ${run} is ${record.state}, and has not ended; nothing was sent`, {
      hint: 'start its command again so that it ends, or cancel it',
    });
  const place = out ?? record?.out ?? resolveOut(path.join('out', run), places.cwd);
  const sink = places.openSink(place);
  const chain = before.length === 0 ? '' : ` (${before.at(-1)} has left lines out that this run had)`;
  const summary = await readSummary(
    sink,
    record === null
      ? `no run ${run} is on record here, and ${place} holds no summary.json${chain}`
      : `run ${run} has its results in ${place}, and no summary.json is seen there${chain}`,
    '`asg-ingest runs` lists the runs on record; of one that was pruned or moved give the place of its results, such as --since ./out/day1 or s3://bucket/day1',
  );
  if (summary.run_id !== run)
    throw usageError('--since', `${place} holds the results of run ${summary.run_id}, not of ${run}${chain}`);
  const gateway = record?.gateway ?? (await sink.readMarker?.().catch(() => null))?.gateway;
  if (gateway !== undefined && gateway !== places.gateway)
    throw usageError(
      '--since',
      `run ${run} was labeled by ${gateway}, and this run asks ${places.gateway}; nothing was sent`,
    );
  const results = { ...(await partsOf(sink, summary, place)), run, out: place };
  const { since } = summary;
  if (!since || since.carry || [run, ...before].includes(since.run)) return [results];
  return [results, ...(await findEarlier(places, since.run, since.out, [...before, run]))];
}

async function readSummary(sink: Sink, otherwise: string, hint: string): Promise<RunSummary> {
  let text: string | null;
  try {
    text = await sink.readSummary();
  } catch (cause) {
    throw usageError('--since', `${otherwise}: ${(cause as Error).message}`, { hint, cause });
  }
  if (text === null) throw usageError('--since', `${otherwise}; nothing was sent`, { hint });
  return JSON.parse(text) as RunSummary;
}

/** All parts of results that the summary lists, each of which must be there. */
async function partsOf(sink: Sink, { run_id: run, parts }: RunSummary, place: string) {
  const listed = parts.filter(({ name }) => parsePartName(name)?.kind === 'results');
  const there = new Set(await sink.listParts(run));
  const missing = listed.find(({ name }) => !there.has(name));
  if (missing !== undefined)
    throw usageError('--since', `${missing.name} is missing from ${place}; nothing was sent`, {
      hint: 'put it back',
    });
  if (listed[0] !== undefined) await refuseOldRows(sink, listed[0].name, place);
  return {
    upTo: Math.max(0, ...listed.map(({ name }) => parsePartName(name)?.number ?? 0)),
    rows: listed.reduce((sum, part) => sum + part.rows, 0),
  };
}

async function refuseOldRows(sink: Sink, name: string, place: string): Promise<void> {
  for await (const text of readRows(sink, name)) {
    if (typeof (JSON.parse(text) as Partial<ResultRow>).asked === 'string') return;
    throw usageError(
      '--since',
      `the rows in ${place} do not say what was asked: an earlier version wrote them`,
      {
        hint: '--key content buys only what is new where that run had --key content too',
      },
    );
  }
}
