import type { RedisClient } from '../redis/connection.js';
import { readRows } from '../results/read-rows.js';
import type { Sink } from '../results/sink.js';
import { parsePartName } from '../results/sink.js';
import type { RunKeys } from '../runs/keys.js';

/** Which lines of a manifest a run has ended. */
export interface EndedLines {
  /** Must be awaited before `has` is asked about lines of this source up to `last`. */
  reach(source: number, first: number, last: number): Promise<void> | undefined;
  has(line: number): boolean;
  /** How many lines have ended, gold lines excluded. */
  total(): Promise<number>;
}

export const NONE_ENDED: EndedLines = { reach: () => undefined, has: () => false, total: async () => 0 };

/** This many bytes of bits are fetched at a time: those of half a million lines. */
const PAGE_BYTES = 1 << 16;
const PAGE_LINES = PAGE_BYTES * 8;

/** The ended lines of a run that Redis knows. */
export function endedInRedis(redis: RedisClient, keys: RunKeys, sources: number): EndedLines {
  /** Bits of the lines after `from` up to `to`. Those that Redis has no byte for are 0. */
  let page: { source: number; from: number; to: number; bits: Uint8Array } = {
    source: -1,
    from: 0,
    to: 0,
    bits: new Uint8Array(),
  };
  const fetchPages = async (source: number, first: number, last: number) => {
    const [start, stop] = [Math.floor((first - 1) / PAGE_LINES), Math.floor((last - 1) / PAGE_LINES) + 1];
    const bits = await redis.getrangeBuffer(keys.ended(source), start * PAGE_BYTES, stop * PAGE_BYTES - 1);
    page = { source, from: start * PAGE_LINES, to: stop * PAGE_LINES, bits };
  };
  return {
    reach: (source, first, last) =>
      page.source === source && first > page.from && last <= page.to
        ? undefined
        : fetchPages(source, first, last),
    has: (line) => bitOf(page.bits, line - 1 - page.from),
    async total() {
      const counts = Array.from({ length: sources }, (_each, source) => redis.bitcount(keys.ended(source)));
      return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
    },
  };
}

/**
 * The ended lines of a run that only its parts record; a bit for each line is kept.
 *
 * @param own the number of sources that are the manifest's; the rest are gold
 */
export async function endedInParts(
  sink: Sink,
  runId: string,
  sources: string[],
  own: number,
): Promise<EndedLines> {
  const names = (await sink.listParts(runId)).filter((name) => parsePartName(name)?.runId === runId);
  if (names.length === 0) return NONE_ENDED;
  const index = new Map(sources.map((name, number) => [name, number]));
  const bits = sources.map(() => Buffer.alloc(1024));
  let rows = 0;
  for (const name of names) {
    for await (const text of readRows(sink, name)) {
      const row = JSON.parse(text) as { line: number; source: string | null };
      const source = row.source === null ? 0 : index.get(row.source);
      if (source === undefined) continue;
      let map = bits[source] ?? Buffer.alloc(0);
      const byte = Math.floor((row.line - 1) / 8);
      if (byte >= map.length) map = Buffer.concat([map], Math.max(map.length * 2, byte + 1));
      map[byte] = (map[byte] ?? 0) | (0x80 >> ((row.line - 1) % 8));
      bits[source] = map;
      if (source < own) rows += 1;
    }
  }
  let current = bits[0] ?? Buffer.alloc(0);
  return {
    reach(source) {
      current = bits[source] ?? Buffer.alloc(0);
      return undefined;
    },
    has: (line) => bitOf(current, line - 1),
    total: async () => rows,
  };
}

const bitOf = (bits: Uint8Array, bit: number) => (((bits[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
