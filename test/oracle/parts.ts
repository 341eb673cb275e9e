import { gunzipSync } from 'node:zlib';
import type { Evidence } from './evidence.js';
import { idOf } from './manifest-lines.js';
import type { Report } from './problem.js';

export interface SeenRow {
  file: string;
  kind: 'results' | 'failures';
  id: string;
  /** As written. */
  text: string;
  fields: Record<string, unknown>;
}

export interface Part {
  name: string;
  bytes: Buffer;
  rows: number;
}

const PART = /^(results|failures)-(.+)-\d{5,}\.jsonl(\.gz)?$/;

const EACH_HAS = ['line', 'source', 'idempotency_key'];
const HAS = {
  results: [
    ...['data_url', 'metadata', 'task_id', 'status', 'consensus_label', 'confidence', 'worker_count'],
    ...['agreement_count', 'bsv_txid', 'cost_sats', 'created_at', 'settled_at', 'settled_by'],
    ...['bought_by', 'asked'],
  ],
  failures: ['stage', 'error', 'attempts', 'input'],
} as const;

/** The run's parts and their rows, and a report of what cannot be read. */
export function readParts({ files, asked }: Evidence, report: Report): { parts: Part[]; rows: SeenRow[] } {
  const parts: Part[] = [];
  const rows: SeenRow[] = [];
  for (const [name, bytes] of files) {
    const [, kind, runId, gzip] = PART.exec(name) ?? [];
    if (kind === undefined || runId !== asked.runId) continue;
    const text = (gzip === undefined ? bytes : gunzipSync(bytes)).toString('utf8');
    const lines = text.split('\n');
    if (lines.pop() !== '') report('unreadable_row', name, 'the last row has no end');
    parts.push({ name, bytes, rows: lines.length });
    for (const [at, line] of lines.entries()) {
      const row = rowOf(name, kind as SeenRow['kind'], line);
      if (typeof row === 'string') report('unreadable_row', `${name}, row ${at + 1}`, row);
      else rows.push(row);
    }
  }
  return { parts, rows };
}

function rowOf(file: string, kind: SeenRow['kind'], text: string): SeenRow | string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    return String(error);
  }
  const lacks = [...EACH_HAS, ...HAS[kind]].filter((name) => !Object.hasOwn(fields, name));
  if (lacks.length > 0) return `lacks ${lacks.join(', ')}`;
  const { source, line } = fields as { source: string | null; line: number };
  return { file, kind, id: idOf(source, line), text, fields };
}
