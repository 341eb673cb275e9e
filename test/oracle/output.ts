import { createHash } from 'node:crypto';
import { consensusOf, txidOf } from '../../src/sandbox/labels.js';
import type { BoughtTask, Evidence } from './evidence.js';

export type Fields = Record<string, unknown>;
export type Summary = Fields & { parts: Fields[]; failures: Fields; labels: Record<string, number> };

const asked = {
  runId: 'r',
  question: 'Which?',
  options: ['cat', 'dog', 'bird'],
  threshold: 3,
  key: 'line',
  seed: 7,
};
export const url = (n: number) => `https://images.example.org/${n}.jpg`;
const METADATA = '{"id":9007199254740993, "big": 1e400,"same":1,"same":2}';
export const LINES = [
  ...[1, 2, 3, 4, 5].map((n) => `{"data_url":"${url(n)}", "metadata": ${METADATA}}`),
  '',
  'nonsense',
  `{"data_url":"${url(8)}"}`,
];

/** A run as it may be altered: rows as text, the summary as a value, tasks as the Gateway lists them. */
export interface Output {
  manifest: string[];
  results: string[];
  failures: string[];
  tasks: BoughtTask[];
  summary: Summary;
  more: Record<string, string>;
}

const questionOf = (dataUrl: string) => ({
  dataUrl,
  spec: { question: asked.question, options: asked.options, threshold: asked.threshold },
});

export const taskOf = (n: number): BoughtTask => ({
  task_id: `tsk_${n}`,
  idempotency_key: `r-0-${n}`,
  data_url: url(n),
  created_at: '2026-01-01T00:00:00.000Z',
});

function resultOf(n: number, metadata: string): string {
  const given = consensusOf(asked.seed, questionOf(url(n)));
  const { task_id, idempotency_key, data_url, created_at } = taskOf(n);
  const before = { line: n, source: null, data_url };
  const after = {
    idempotency_key,
    task_id,
    status: 'settled',
    consensus_label: given.label,
    confidence: given.confidence,
    worker_count: given.workers,
    agreement_count: given.agreeing,
    bsv_txid: txidOf(asked.seed, questionOf(url(n))),
    cost_sats: given.costSats,
    created_at,
    settled_at: created_at,
    settled_by: 'poll',
    bought_by: null,
    asked: '0123456789abcdef',
  };
  return `${JSON.stringify(before).slice(0, -1)},"metadata":${metadata},${JSON.stringify(after).slice(1)}`;
}

/** What a run without a fault leaves. */
export function output(): Output {
  const settled = [1, 2, 3, 4, 5, 8];
  const given = settled.map((n) => consensusOf(asked.seed, questionOf(url(n))));
  const labels: Record<string, number> = {};
  for (const { label } of given) labels[label] = (labels[label] ?? 0) + 1;
  const failure = {
    ...{ line: 7, source: null, stage: 'manifest', error: { code: 'invalid_json', message: 'no' } },
    ...{ attempts: 0, idempotency_key: null, input: 'nonsense' },
  };
  return {
    manifest: [...LINES],
    results: settled.map((n) => resultOf(n, n === 8 ? 'null' : METADATA)),
    failures: [JSON.stringify(failure)],
    tasks: settled.map(taskOf),
    summary: {
      ...{ run_id: 'r', state: 'completed', lines: 7, settled: 6, failed: 1 },
      failures: { invalid_json: 1 },
      labels,
      cost_sats: given.reduce((sum, { costSats }) => sum + costSats, 0),
      parts: [],
    },
    more: {},
  };
}

/** The evidence of an output; its parts are listed as they are, so that one alteration is one fault. */
export function evidenceOf({ manifest, results, failures, tasks, summary, more }: Output): Evidence {
  const files = new Map<string, Buffer>();
  for (const [kind, rows] of [
    ['results', results],
    ['failures', failures],
  ] as const) {
    const name = `${kind}-r-${kind === 'results' ? '00001' : '00002'}.jsonl`;
    const bytes = Buffer.from(rows.map((row) => `${row}\n`).join(''));
    files.set(name, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    summary.parts.push({ name, rows: rows.length, bytes: bytes.length, sha256 });
  }
  const feed = summary.parts.map(({ name, rows, bytes, sha256 }) =>
    JSON.stringify({ name, rows, bytes, sha256 }),
  );
  files.set('_parts.jsonl', Buffer.from(feed.map((row) => `${row}\n`).join('')));
  for (const [name, text] of Object.entries(more)) files.set(name, Buffer.from(text));
  files.set('.asg-ingest.json', Buffer.from('{}'));
  files.set('summary.json', Buffer.from(JSON.stringify(summary)));
  return { asked, sources: [{ name: null, text: manifest.join('\n') }], files, tasks, allowed: {} };
}
