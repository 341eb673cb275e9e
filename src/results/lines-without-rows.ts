import { IngestError } from '../lib/errors.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import type { RedisClient } from '../redis/connection.js';
import { runKeys } from '../runs/keys.js';
import type { Lease } from '../runs/lease.js';
import type { RunRecord } from '../runs/record.js';
import { runScript } from '../runs/run-script.js';
import type { PartRecord } from '../runs/status.js';
import { entries } from './flush.js';
import { readRows } from './read-rows.js';
import type { FailureRow, ResultRow } from './rows.js';
import { openSink } from './sink.js';

const clearEnded = runScript('clear-ended');

const LINES_AT_ONCE = 1_000;

/**
 * Opens lines again whose bit says that they have ended, and which have no row. For a run whose queues are empty and
 * whose rows are fewer than its lines. Resolves to how many lines were opened; the next sweep queues them, under
 * their keys.
 *
 * The bits are read first, then the stream, then the parts. A row is written with its bit, and goes from the stream
 * into a part, so no row on its way is missed.
 */
export async function openLinesWithoutRows(
  { redis, prefix, objectStores }: { redis: RedisClient; prefix: string; objectStores: ObjectStores },
  record: RunRecord,
  lease: Lease,
): Promise<number> {
  const keys = runKeys(prefix, record.id);
  const { sources } = record.manifest;
  const maps: Buffer[] = [];
  for (const source of sources.keys())
    maps.push((await redis.getBuffer(keys.ended(source))) ?? Buffer.alloc(0));
  if (record.since?.carry === false)
    for (const [source, map] of maps.entries()) clear(map, await redis.getBuffer(keys.unchanged(source)));
  const sourceIndex = new Map(sources.map((name, index) => [name, index]));
  const hasRow = (text: string) => {
    const { source, line } = JSON.parse(text) as ResultRow | FailureRow;
    const map = maps[source === null ? 0 : (sourceIndex.get(source) ?? -1)];
    const byte = (line - 1) >> 3;
    if (map !== undefined && byte < map.length) map[byte] = (map[byte] ?? 0) & ~(0x80 >> ((line - 1) & 7));
  };

  for await (const { text } of entries(redis, keys.results, '-', '+')) text.split('\n').forEach(hasRow);
  const sink = openSink(record.out, objectStores);
  const there = new Set(await sink.listParts(record.id));
  for (const part of await redis.lrange(keys.parts, 0, -1)) {
    const { name } = JSON.parse(part) as PartRecord;
    if (!there.has(name)) throw new IngestError('sink', `${name} is missing`, { hint: 'put it back' });
    for await (const text of readRows(sink, name)) hasRow(text);
  }

  let opened = 0;
  for (const [source, map] of maps.entries()) {
    const bits = [...bitsOf(map)];
    for (let from = 0; from < bits.length; from += LINES_AT_ONCE) {
      const args = [lease.token, ...bits.slice(from, from + LINES_AT_ONCE)];
      opened += Number(await clearEnded.run(redis, [keys.lease, keys.ended(source)], args));
    }
  }
  return opened;
}

/** Lines that are to have no row. */
function clear(map: Buffer, without: Buffer | null): void {
  for (const [at, byte] of (without ?? Buffer.alloc(0)).entries())
    if (at < map.length) map[at] = (map[at] ?? 0) & ~byte;
}

function* bitsOf(map: Buffer): Generator<number> {
  for (const [at, byte] of map.entries())
    for (let bit = 0; byte !== 0 && bit < 8; bit += 1) if (byte & (0x80 >> bit)) yield 8 * at + bit;
}
