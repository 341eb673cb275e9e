import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import type { Logger } from 'pino';
import type { RedisClient } from '../redis/connection.js';
import { runKeys, SUPERSEDED } from '../runs/keys.js';
import type { RunRecord } from '../runs/record.js';
import { runScript } from '../runs/run-script.js';
import type { PartRecord } from '../runs/status.js';
import { writePartsFeed } from './parts-feed.js';
import { parsePartName, partName, type Sink } from './sink.js';

const [publish, commitPlan, dropPlan] = [
  runScript('publish-plan'),
  runScript('commit-plan'),
  runScript('drop-plan'),
];

/** Entries of the stream that are read at a time: each may have a MiB of rows, and more. */
const READ_COUNT = 16;
/** Rows go to the sink in pieces of about this many characters. */
const CHUNK_CHARACTERS = 1 << 20;

/**
 * The entries of one flush, published in Redis before a byte is written. Any process that finds a plan carries it
 * out. The same entries under the same names give the same bytes, so it may be carried out twice.
 */
interface Plan {
  first: string;
  last: string;
  /** Rows from first to last, and the bytes that they were counted with. */
  count: number;
  bytes: number;
  results: number;
  failures: number;
  resultsPart: number;
  failuresPart: number;
  /** It may have changed since: the same plan makes the same parts. */
  compress: boolean;
}

export interface Flusher {
  redis: RedisClient;
  prefix: string;
  sink: Sink;
}

/** Moves one part's worth of the results stream into the sink. Resolves to the parts made; none when it was empty. */
export async function flushOnce(flusher: Flusher, record: RunRecord): Promise<PartRecord[]> {
  const keys = runKeys(flusher.prefix, record.id);
  const published = (await flusher.redis.get(keys.plan)) ?? (await publishPlan(flusher, record));
  if (published === null) return [];
  const plan = JSON.parse(published) as Plan;

  const parts: PartRecord[] = [];
  for (const kind of ['results', 'failures'] as const) {
    if (plan[kind] === 0) continue;
    const number = kind === 'results' ? plan.resultsPart : plan.failuresPart;
    const name = partName(kind, record.id, number, plan.compress);
    parts.push(await writePart(flusher, record, plan, kind, name, published));
  }
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  if (rows !== plan.count) {
    // Another flusher has committed this plan with these parts; or the plan can no longer be carried out.
    await dropPlan.run(flusher.redis, [keys.plan, keys.results], [published, plan.first]);
    return [];
  }
  const behind = after(plan.last);
  const records = parts.map((part) => JSON.stringify(part));
  const ours = await commitPlan.run(
    flusher.redis,
    [keys.plan, keys.results, keys.parts, keys.counts],
    [published, behind, plan.bytes, plan.count, ...records],
  );
  if (ours !== 1) return [];
  // The parts are durable even if the feed fails; the next feed is written whole.
  await writePartsFeed(flusher, record).catch(() => undefined);
  return parts;
}

/** Moves all that waits in the results stream into the sink; what another flusher is at, together with it. */
export async function flushAll(flusher: Flusher, record: RunRecord): Promise<void> {
  const { plan, results } = runKeys(flusher.prefix, record.id);
  do await flushOnce(flusher, record);
  while ((await flusher.redis.exists(plan)) === 1 || (await flusher.redis.xlen(results)) > 0);
}

const LEAVE_AFTER_MS = 20_000;

/**
 * The same for a run that stops before its end, for a while: a sink that is broken or slow must not keep the process.
 * Unwritten rows wait in Redis, as they would have.
 */
export async function flushOnLeaving(
  flusher: Flusher,
  record: RunRecord,
  log: Logger,
  leaveAfterMs = LEAVE_AFTER_MS,
): Promise<void> {
  const waits = (why: unknown) =>
    log.warn({ run: record.id, err: why }, 'results are not written yet; they wait in Redis');
  const left = new AbortController();
  const late = sleep(leaveAfterMs, undefined, { signal: left.signal }).then(
    () => waits(new Error(`${record.out} takes long`)),
    () => undefined,
  );
  const flushing = async () => {
    if (await flusher.sink.sees(record)) await flushAll(flusher, record);
  };
  await Promise.race([flushing().catch(waits), late]);
  left.abort();
}

async function publishPlan(flusher: Flusher, record: RunRecord): Promise<string | null> {
  const { redis, prefix } = flusher;
  const keys = runKeys(prefix, record.id);
  const plan: Plan = {
    first: '',
    last: '',
    count: 0,
    bytes: 0,
    results: 0,
    failures: 0,
    resultsPart: 0,
    failuresPart: 0,
    compress: record.policy.compress,
  };
  for await (const { id, kind, rows, text } of entries(redis, keys.results, '-', '+')) {
    plan.first ||= id;
    plan.last = id;
    plan.count += rows;
    plan.bytes += Buffer.byteLength(text) + 1;
    plan[kind] += rows;
    if (plan.bytes >= record.policy.partSizeBytes) break;
  }
  if (plan.count === 0) return null;
  const names = (await redis.lrange(keys.parts, 0, -1)).map((part) => (JSON.parse(part) as PartRecord).name);
  plan.resultsPart = nextNumber(names, 'results');
  const superseded = Number((await redis.hget(keys.record, SUPERSEDED)) ?? 0);
  plan.failuresPart = Math.max(nextNumber(names, 'failures'), superseded + 1);
  const published = await publish.run(redis, [keys.plan, keys.results], [JSON.stringify(plan), plan.first]);
  return published as string | null;
}

const nextNumber = (names: string[], kind: 'results' | 'failures') =>
  names.reduce((most, name) => {
    const part = parsePartName(name);
    return part?.kind === kind ? Math.max(most, part.number) : most;
  }, 0) + 1;

async function writePart(
  flusher: Flusher,
  record: RunRecord,
  plan: Plan,
  kind: 'results' | 'failures',
  name: string,
  published: string,
): Promise<PartRecord> {
  const keys = runKeys(flusher.prefix, record.id);
  const hash = createHash('sha256');
  const part: PartRecord = { name, rows: 0, bytes: 0, sha256: '' };
  async function* rows() {
    let lines: string[] = [];
    let characters = 0;
    for await (const entry of entries(flusher.redis, keys.results, plan.first, plan.last)) {
      if (entry.kind !== kind) continue;
      part.rows += entry.rows;
      lines.push(entry.text);
      characters += entry.text.length;
      if (characters < CHUNK_CHARACTERS) continue;
      yield Buffer.from(`${lines.join('\n')}\n`);
      [lines, characters] = [[], 0];
    }
    if (lines.length > 0) yield Buffer.from(`${lines.join('\n')}\n`);
    // Another flusher has committed this plan and trimmed the stream, so this part would be incomplete.
    if (part.rows !== plan[kind]) throw new StalePlanError();
  }
  async function* counted(source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      hash.update(chunk);
      part.bytes += chunk.length;
      yield chunk;
    }
  }
  try {
    const bytes = counted(plan.compress ? gzip(rows()) : rows());
    // A flusher that slept while another took over must not write over that one's part of the same name.
    const stillWanted = async () => {
      if ((await flusher.redis.get(keys.plan)) !== published) throw new StalePlanError();
    };
    await flusher.sink.writePart(name, bytes, stillWanted);
  } catch (error) {
    if (error instanceof StalePlanError) return { ...part, rows: 0 };
    throw error;
  }
  part.sha256 = hash.digest('hex');
  return part;
}

class StalePlanError extends Error {}

function gzip(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const zip = createGzip();
  // A failure on the way reaches the reader of `zip`; so does its leaving the source.
  pipeline(Readable.from(source, { objectMode: false }), zip, () => undefined);
  return zip;
}

/** Some rows that ended in one step. */
interface Entry {
  id: string;
  kind: 'results' | 'failures';
  rows: number;
  /** The rows, with line breaks between them. */
  text: string;
}

/** The entries of a part of the stream, both ends included. */
export async function* entries(
  redis: RedisClient,
  stream: string,
  first: string,
  last: string,
): AsyncIterable<Entry> {
  let from = first;
  for (;;) {
    const page = await redis.xrange(stream, from, last, 'COUNT', READ_COUNT);
    for (const [id, [, kind, , rows, , text = '']] of page)
      yield { id, kind: kind === 'settled' ? 'results' : 'failures', rows: Number(rows), text };
    const lastId = page.at(-1)?.[0];
    if (lastId === undefined || page.length < READ_COUNT) return;
    from = `(${lastId}`;
  }
}

/** The smallest stream id greater than this one. */
function after(id: string): string {
  const [ms, sequence] = id.split('-');
  return `${ms}-${Number(sequence) + 1}`;
}
