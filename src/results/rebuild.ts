import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { epochMs } from '../gateway/epoch-ms.js';
import { IngestError } from '../lib/errors.js';
import type { RedisClient } from '../redis/connection.js';
import { costOf } from '../runs/cost.js';
import { costDayField } from '../runs/envelope.js';
import { escalationCounts } from '../runs/escalation.js';
import { goldField, goldOutcome } from '../runs/gold.js';
import { lineKey } from '../runs/idempotency-key.js';
import { runKeys } from '../runs/keys.js';
import type { Lease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import { runScript } from '../runs/run-script.js';
import type { PartRecord } from '../runs/status.js';
import { confidenceField, EXAMPLES, exampleField, exampleOf } from '../runs/timeline.js';
import { labelersOf } from './endings.js';
import { readRows } from './read-rows.js';
import type { FailureRow, ResultRow } from './rows.js';
import { parsePartName, type Sink } from './sink.js';

const [rebuildPart, setBits] = [runScript('rebuild-part'), runScript('set-bits')];

/** Bytes of a bit map that are written at a time. */
const BITS_AT_ONCE = 256 << 10;

/**
 * Gives a run that Redis has lost its memory back from the parts that it left: bits, counts and part numbers. Only
 * for a run that has just been put on record and has produced nothing. Resolves to how many lines had ended; to null
 * when the lease was lost: its new holder does the work. The counts are written once for each part, and a bit map in
 * blocks: the cost in Redis does not follow the rows.
 */
export async function rebuildFromParts(
  redis: RedisClient,
  prefix: string,
  record: RunRecord,
  sink: Sink,
  log: Logger,
  lease: Lease,
): Promise<number | null> {
  const keys = runKeys(prefix, record.id);
  const sourceIndex = new Map(record.manifest.sources.map((name, index) => [name, index]));
  const bits = record.manifest.sources.map(() => createBits());
  const carriedBits = record.manifest.sources.map(() => createBits());
  /** Tasks that several lines may share: what each costs is counted once, with the first row that says it. */
  const [priced, unpriced] = [new Set<string>(), new Set<string>()];
  const failed = new Map<string, number>();
  let lines = 0;
  let [dearest, mostLabelers] = [0, 0];
  for (const name of await sink.listParts(record.id)) {
    if (lease.signal.aborted) return null;
    const isResults = parsePartName(name)?.kind === 'results';
    const part: PartRecord = { name, rows: 0, bytes: 0, sha256: '' };
    const hash = createHash('sha256');
    const tally = createTally();
    const rows = readRows(sink, name, (chunk) => {
      hash.update(chunk);
      part.bytes += chunk.length;
    });
    for await (const text of rows) {
      const row = JSON.parse(text) as ResultRow | FailureRow;
      const source = row.source === null ? 0 : sourceIndex.get(row.source);
      if (source === undefined)
        throw new IngestError(
          'sink',
          `${name} holds a line of ${row.source}, which the manifest does not have`,
        );
      part.rows += 1;
      bits[source]?.set(row.line - 1);
      // A line with a task was bought, as far as we know: tasks in flight when Redis was lost are not here.
      const carried = isResults && ((row as ResultRow).bought_by ?? null) !== null;
      if (row.task_id !== undefined && !carried) tally.add(keys.counts, 'bought');
      if (carried) countCarried(row as ResultRow, source);
      else if (isResults) countResult(row as ResultRow, source);
      else countFailure(row as FailureRow);
    }
    part.sha256 = hash.digest('hex');
    if (!(await write(part, tally))) return null;
    lines += part.rows;

    function countResult(row: ResultRow, source: number): void {
      const ownKey = row.idempotency_key === lineKey(record, source, row.line);
      const counted = priced.has(row.task_id);
      const missed = unpriced.delete(row.task_id);
      if (!ownKey) (row.cost_sats === null && !counted ? unpriced : priced).add(row.task_id);
      tally.add(keys.counts, 'settled');
      if (row.gold != null) tally.add(keys.counts, goldField(goldOutcome(row.gold, row.consensus_label)));
      const own = counted ? 0 : costOf(row.cost_sats);
      const cost = own + (counted ? 0 : costOf(row.escalated_from?.cost_sats));
      if (row.escalated_from) tally.add(keys.counts, 'bought');
      if (row.escalation)
        for (const [field, n] of Object.entries(escalationCounts(row.escalation, own)))
          tally.add(keys.counts, field, n);
      tally.add(keys.counts, 'cost_sats', cost);
      tally.add(keys.counts, costDayField(settledMs(row)), cost);
      if (row.cost_sats === null && !counted && !missed) tally.add(keys.counts, 'unpriced');
      if (row.cost_sats !== null && missed) tally.add(keys.counts, 'unpriced', -1);
      const { labelers } = labelersOf(row);
      dearest = Math.max(dearest, costOf(labelers?.sats));
      mostLabelers = Math.max(mostLabelers, labelers?.count ?? 0);
      countLabel(row);
    }

    function countCarried(row: ResultRow, source: number): void {
      carriedBits[source]?.set(row.line - 1);
      tally.add(keys.counts, 'settled');
      tally.add(keys.counts, 'carried');
      countLabel(row);
    }

    function countLabel(row: ResultRow): void {
      tally.add(keys.labels, row.consensus_label ?? '(none)');
      tally.add(keys.history, confidenceField(row.confidence));
    }

    function countFailure(row: FailureRow): void {
      const { code } = row.error;
      const n = (failed.get(code) ?? 0) + 1;
      failed.set(code, n);
      tally.add(keys.counts, 'failed');
      if (row.gold != null) tally.add(keys.counts, goldField('failed'));
      tally.add(keys.failures, code);
      if (n <= EXAMPLES) tally.example(exampleField(code, n), JSON.stringify(exampleOf(row)));
    }
  }
  for (const [name, maps] of [['ended', bits] as const, ['unchanged', carriedBits] as const])
    for (const [source, map] of maps.entries()) {
      const bytes = map.bytes();
      for (let from = 0; from < bytes.length; from += BITS_AT_ONCE)
        if (!(await writeBits(keys[name](source), from, bytes.subarray(from, from + BITS_AT_ONCE))))
          return null;
    }
  if (lines > 0)
    log.warn({ run: record.id, lines }, 'Redis had lost this run; it goes on from the parts in --out');
  return lines;

  /** False when the lease is lost. */
  async function write(part: PartRecord, tally: ReturnType<typeof createTally>): Promise<boolean> {
    const hashes = [keys.counts, keys.labels, keys.failures, keys.history, keys.examples];
    const placeOf = (key: string) => 3 + hashes.indexOf(key);
    const counts = [...tally.all()].map(({ key, field, n }) => [placeOf(key), field, n]);
    const texts = [...tally.examples].map(([field, json]) => [placeOf(keys.examples), field, json]);
    for (const [field, most] of Object.entries({ labeler_sats: dearest, labelers: mostLabelers }))
      texts.push([placeOf(keys.counts), field, String(most)]);
    const args = [lease.token, JSON.stringify(part), counts.length, ...counts.flat(), ...texts.flat()];
    return (await rebuildPart.run(redis, [keys.lease, keys.parts, ...hashes], args)) === 1;
  }

  async function writeBits(key: string, from: number, bytes: Buffer): Promise<boolean> {
    return (await setBits.run(redis, [keys.lease, key], [lease.token, from, bytes])) === 1;
  }
}

/** When a row's task was paid; now, where that is unknown. */
function settledMs({ settled_at: at }: ResultRow): number {
  const ms = epochMs(at);
  return Number.isFinite(ms) ? ms : Date.now();
}

function createTally() {
  const counts = new Map<string, Map<string, number>>();
  const examples = new Map<string, string>();
  return {
    examples,
    add(key: string, field: string, n = 1) {
      const fields = counts.get(key) ?? new Map<string, number>();
      counts.set(key, fields.set(field, (fields.get(field) ?? 0) + n));
    },
    example: (field: string, json: string) => examples.set(field, json),
    *all() {
      for (const [key, fields] of counts)
        for (const [field, n] of fields) if (n !== 0) yield { key, field, n };
    },
  };
}

/** A bit map that grows, in the order of Redis' own. */
function createBits() {
  let map = Buffer.alloc(0);
  let used = 0;
  return {
    set(bit: number) {
      const byte = Math.floor(bit / 8);
      if (byte >= map.length)
        map = Buffer.concat([map, Buffer.alloc(Math.max(1_024, 2 * byte - map.length))]);
      map[byte] = (map[byte] ?? 0) | (0x80 >> (bit % 8));
      used = Math.max(used, byte + 1);
    },
    bytes: () => map.subarray(0, used),
  };
}
