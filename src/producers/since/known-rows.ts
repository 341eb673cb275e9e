import { createHash } from 'node:crypto';
import { IngestError, usageError } from '../../lib/errors.js';
import { readRows } from '../../results/read-rows.js';
import type { BoughtRow, ResultRow } from '../../results/rows.js';
import { parsePartName, type Sink } from '../../results/sink.js';
import type { EarlierResults } from '../../runs/since.js';
import { createDigestTable, DIGEST_BYTES } from './digest-table.js';
import { openRowSpool } from './row-spool.js';

/** The contents that earlier runs have settled. */
export interface KnownRows {
  /** How many different contents are known. */
  size: number;
  has(content: Buffer): boolean;
  /** Only with `carry`. */
  rowOf(content: Buffer): Promise<BoughtRow>;
  close(): Promise<void>;
}

/** Everything that decides a label: the question and the address. */
export const contentOf = (asked: string, dataUrl: string): Buffer =>
  createHash('sha256').update(`${asked}\n${dataUrl}`).digest().subarray(0, DIGEST_BYTES);

export interface ReadEarlierOptions {
  openSink: (out: string) => Sink;
  carry: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Reads the results of earlier runs. 21 to 43 B of each row are kept in memory. With `carry` its fields are copied
 * into a temporary file, about 400 B each: rows of packed parts, or of a bucket, cannot be looked up in place. Null
 * when the signal ended it.
 */
export async function readEarlier(
  earlier: readonly EarlierResults[],
  { openSink, carry, signal }: ReadEarlierOptions,
): Promise<KnownRows | null> {
  const table = createDigestTable();
  const spool = carry ? await openRowSpool() : null;
  const rowOf = async (content: Buffer) => {
    const place = table.get(content);
    if (spool === null || place === 0) throw new IngestError('internal', 'no earlier row has this content');
    return JSON.parse(await spool.read(place)) as BoughtRow;
  };
  const close = async () => spool?.close();
  let done = false;
  try {
    for (const results of earlier) if (!(await readResults(results))) return null;
    await spool?.flush();
    done = true;
    return { size: table.size(), has: (content) => table.get(content) !== 0, rowOf, close };
  } finally {
    if (!done) await close();
  }

  /** False when the signal ended it. */
  async function readResults(results: EarlierResults): Promise<boolean> {
    const sink = openSink(results.out);
    let rows = 0;
    for (const name of await sink.listParts(results.run)) {
      const part = parsePartName(name);
      if (part?.kind !== 'results' || part.number > results.upTo) continue;
      for await (const text of readRows(sink, name)) {
        await add(JSON.parse(text) as ResultRow, results.run);
        rows += 1;
      }
      if (signal?.aborted) return false;
    }
    if (rows !== results.rows)
      throw usageError(
        '--since',
        `the parts of run ${results.run} in ${results.out} hold ${rows} rows, and had ${results.rows} when this run began`,
        { hint: 'put them back' },
      );
    return true;
  }

  async function add(row: ResultRow, run: string): Promise<void> {
    const content = contentOf(row.asked, row.data_url);
    if (table.get(content) !== 0) return;
    if (table.isFull())
      throw usageError('--since', `the earlier runs have more than ${table.size()} different lines`, {
        hint: 'split the manifest, and its runs with it',
      });
    table.add(content, spool === null ? 1 : await spool.add(JSON.stringify(boughtRow(row, run))));
  }
}

function boughtRow(row: ResultRow, run: string): BoughtRow {
  const { line: _l, source: _s, data_url: _d, metadata: _m, asked: _a, bought_by, ...bought } = row;
  return { ...bought, bought_by: bought_by ?? run };
}
