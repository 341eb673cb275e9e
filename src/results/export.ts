import { pipeline, Readable } from 'node:stream';
import { stringify } from 'csv-stringify';
import { ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import type { ResultRow } from './rows.js';

export type ExportFormat = 'jsonl' | 'csv' | 'parquet';

interface Column {
  name: keyof ResultRow;
  type: 'INT32' | 'INT64' | 'DOUBLE' | 'STRING';
}

/** The fields of a result, in their order. Metadata is its JSON text. */
const COLUMNS: readonly Column[] = [
  { name: 'line', type: 'INT64' },
  { name: 'source', type: 'STRING' },
  { name: 'data_url', type: 'STRING' },
  { name: 'metadata', type: 'STRING' },
  { name: 'idempotency_key', type: 'STRING' },
  { name: 'task_id', type: 'STRING' },
  { name: 'status', type: 'STRING' },
  { name: 'consensus_label', type: 'STRING' },
  { name: 'confidence', type: 'DOUBLE' },
  { name: 'worker_count', type: 'INT32' },
  { name: 'agreement_count', type: 'INT32' },
  { name: 'bsv_txid', type: 'STRING' },
  { name: 'cost_sats', type: 'DOUBLE' },
  { name: 'created_at', type: 'STRING' },
  { name: 'settled_at', type: 'STRING' },
  { name: 'settled_by', type: 'STRING' },
  { name: 'bought_by', type: 'STRING' },
  { name: 'asked', type: 'STRING' },
];

/** For runs with `--gold`, and with `--escalate`. The first answer is its JSON text. */
const GOLD: readonly Column[] = [{ name: 'gold', type: 'STRING' }];
const ESCALATED: readonly Column[] = [
  { name: 'escalation', type: 'STRING' },
  { name: 'escalated_from', type: 'STRING' },
];

/** Rows of a parquet row group: what is held in memory at a time. */
const GROUP_ROWS = 20_000;

/** Result rows (JSON text) as a file of another format. Memory does not grow with their number. */
export function exportRows(
  rows: AsyncIterable<string>,
  format: ExportFormat,
  { gold = false, escalated = false } = {},
): AsyncIterable<string | Uint8Array> {
  const columns = [...COLUMNS, ...(gold ? GOLD : []), ...(escalated ? ESCALATED : [])];
  if (format === 'csv') return csv(rows, columns);
  if (format === 'parquet') return parquet(rows, columns);
  return jsonl(rows);
}

async function* jsonl(rows: AsyncIterable<string>): AsyncIterable<string> {
  for await (const row of rows) yield `${row}\n`;
}

/** A spreadsheet takes a cell that begins with = + - @ for a formula: such a cell gets an apostrophe in front. */
function csv(rows: AsyncIterable<string>, columns: readonly Column[]): AsyncIterable<string> {
  const cells = stringify({ header: true, columns: columns.map(({ name }) => name), escape_formulas: true });
  pipeline(Readable.from(records(rows, columns)), cells, () => undefined);
  return cells as AsyncIterable<string>;
}

async function* records(rows: AsyncIterable<string>, columns: readonly Column[]): AsyncIterable<Cell[]> {
  for await (const text of rows) {
    const row = cellsOf(text);
    yield columns.map(({ name }) => row[name] ?? null);
  }
}

async function* parquet(rows: AsyncIterable<string>, columns: readonly Column[]): AsyncIterable<Uint8Array> {
  const writer = new ByteWriter();
  const schema = schemaFromColumnData({ columnData: columns.map((column) => ({ ...column, data: [] })) });
  const file = new ParquetWriter({ writer, schema, createdBy: 'asg-ingest' });
  let group: Cells[] = [];
  for await (const text of rows) {
    group.push(cellsOf(text));
    if (group.length < GROUP_ROWS) continue;
    yield writeGroup();
    group = [];
  }
  if (group.length > 0) yield writeGroup();
  file.finish();
  yield taken();

  function writeGroup(): Uint8Array {
    const columnData = columns.map(({ name, type }) => ({
      name,
      type,
      data: group.map((row) => typed(row[name] ?? null, type)),
    }));
    file.write({ columnData, rowGroupSize: GROUP_ROWS });
    return taken();
  }

  /** Takes the bytes that the writer holds, which it then forgets; its offset goes on. */
  function taken(): Uint8Array {
    const bytes = Uint8Array.from(writer.getBytes());
    writer.index = 0;
    return bytes;
  }
}

type Cell = string | number | null;
type Cells = Partial<Record<keyof ResultRow, Cell>>;

function typed(cell: Cell, type: Column['type']): Cell | bigint {
  if (cell === null) return null;
  if (type === 'STRING') return String(cell);
  if (type === 'INT64') return BigInt(Math.trunc(Number(cell)));
  return Number(cell);
}

function cellsOf(text: string): Cells {
  const row = JSON.parse(text) as ResultRow;
  const { escalated_from: first = null, ...plain } = row;
  const escalated_from = first === null ? null : JSON.stringify(first);
  return { ...plain, escalated_from, metadata: row.metadata === null ? null : metadataText(text, row) };
}

const [BEFORE, AFTER] = [',"metadata":', ',"idempotency_key":'];

/** The metadata as in the row: numbers keep their digits. Within a string of JSON, no quote is unescaped. */
function metadataText(text: string, row: ResultRow): string {
  const [start, end] = [text.indexOf(BEFORE), text.lastIndexOf(AFTER)];
  return start !== -1 && end > start ? text.slice(start + BEFORE.length, end) : JSON.stringify(row.metadata);
}
