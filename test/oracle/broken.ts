import type { Kind } from './find-problems.js';
import { type Fields, LINES, type Output, taskOf, url } from './output.js';
import { rawMembers } from './raw-json.js';

const alterRow = (out: Output, at: number, alter: (fields: Fields) => void) => {
  const row = out.results[at] ?? '';
  const fields = JSON.parse(row) as Fields;
  alter(fields);
  // The metadata stays as it was written.
  const { metadata, ...rest } = fields;
  const kept = rawMembers(row).get('metadata');
  out.results[at] = `{"metadata":${metadata === 'other' ? '"other"' : kept},${JSON.stringify(rest).slice(1)}`;
};
const replaceIn = (rows: string[], at: number, from: string, to: string) => {
  rows[at] = (rows[at] ?? '').replace(from, to);
};
const counts = (out: Output, by: number) => {
  out.summary.lines += by as never;
};

const [first, second, third] = [0, 1, 2];

/** One change each, and the kinds of problems that the oracle must report for it. */
export const BROKEN: [name: string, alter: (out: Output) => void, kinds: Kind[]][] = [
  [
    'a row dropped',
    (o) => void o.results.pop(),
    ['missing_line', 'summary_cost', 'summary_labels', 'summary_lines', 'unreported_task'],
  ],
  [
    'a row doubled',
    (o) => void o.results.push(o.results[first] ?? ''),
    ['doubled_line', 'summary_labels', 'summary_lines'],
  ],
  ['a failure dropped', (o) => void o.failures.pop(), ['missing_line', 'summary_failures', 'summary_lines']],
  ['two labels swapped', swapLabels, ['wrong_label']],
  ['one byte of metadata', (o) => replaceIn(o.results, first, '993', '992'), ['metadata_bytes']],
  [
    'a space lost from metadata',
    (o) => replaceIn(o.results, second, ', "big"', ',"big"'),
    ['metadata_bytes'],
  ],
  [
    "another line's metadata",
    (o) => alterRow(o, first, (row) => Object.assign(row, { metadata: 'other' })),
    ['wrong_metadata'],
  ],
  [
    "another line's data_url",
    (o) => alterRow(o, first, (row) => Object.assign(row, { data_url: url(2) })),
    ['wrong_data_url'],
  ],
  [
    "another line's task",
    (o) => alterRow(o, first, (row) => Object.assign(row, { task_id: 'tsk_2' })),
    ['summary_cost', 'wrong_task'],
  ],
  [
    'an unknown task',
    (o) => alterRow(o, first, (row) => Object.assign(row, { task_id: 'tsk_99' })),
    ['wrong_task'],
  ],
  [
    'another key',
    (o) => alterRow(o, first, (row) => Object.assign(row, { idempotency_key: 'r-0-2' })),
    ['wrong_key', 'wrong_task'],
  ],
  [
    'another confidence',
    (o) => alterRow(o, first, (row) => Object.assign(row, { confidence: 0.1 })),
    ['wrong_result'],
  ],
  [
    'a field lost',
    (o) => alterRow(o, first, (row) => delete row.bsv_txid),
    ['missing_line', 'summary_cost', 'summary_labels', 'summary_lines', 'unreported_task', 'unreadable_row'],
  ],
  [
    'a torn row',
    (o) => replaceIn(o.results, first, '}', ''),
    ['missing_line', 'summary_cost', 'summary_labels', 'summary_lines', 'unreported_task', 'unreadable_row'],
  ],
  [
    'a line that is not there',
    (o) => alterRow(o, first, (row) => Object.assign(row, { line: 99 })),
    ['missing_line', 'unknown_line'],
  ],
  [
    'a blank line with a result',
    (o) => alterRow(o, first, (row) => Object.assign(row, { line: 6 })),
    ['missing_line', 'unknown_line'],
  ],
  [
    'a valid line failed',
    failThird,
    ['summary_cost', 'summary_failures', 'summary_labels', 'summary_lines', 'unexpected_failure'],
  ],
  [
    'a bad line settled',
    (o) => replaceIn(o.manifest, third, 'https:', 'htp:'),
    ['extra_task', 'settled_invalid'],
  ],
  [
    'one byte of an input',
    (o) => {
      failThird(o);
      replaceIn(o.failures, second, '993', '992');
    },
    [
      ...['summary_cost', 'summary_failures', 'summary_labels', 'summary_lines', 'unexpected_failure'],
      'wrong_input',
    ] as Kind[],
  ],
  [
    'a key of another scope',
    (o) => {
      for (const at of [first, second]) {
        const scope = at === first ? 'a' : 'b';
        const key = `r.${scope.repeat(12)}-0-${at + 1}`;
        alterRow(o, at, (row) => Object.assign(row, { idempotency_key: key }));
        Object.assign(o.tasks[at] ?? {}, { idempotency_key: key });
      }
    },
    ['wrong_key'],
  ],
  ['a feed that lacks a part', (o) => Object.assign(o.more, { '_parts.jsonl': '' }), ['parts_feed']],
  ["another line's input", (o) => replaceIn(o.failures, first, '"nonsense"', '"sense"'), ['wrong_input']],
  ['a task of no line', (o) => void o.tasks.push({ ...taskOf(90), data_url: url(90) }), ['extra_task']],
  [
    'a task bought twice, under another key',
    (o) => void o.tasks.push({ ...taskOf(91), data_url: url(1) }),
    ['paid_twice', 'unreported_task'],
  ],
  [
    'a task bought twice, under the same key',
    (o) => void o.tasks.push({ ...taskOf(1), task_id: 'tsk_92' }),
    ['paid_twice'],
  ],
  ['a wrong SHA-256', (o) => changeFirstPart(o, { sha256: '0'.repeat(64) }), ['part_sha256']],
  ['wrong bytes', (o) => changeFirstPart(o, { bytes: 1 }), ['part_bytes']],
  ['wrong rows', (o) => changeFirstPart(o, { rows: 1 }), ['part_rows']],
  [
    'a part that is not there',
    (o) => void o.summary.parts.push({ name: 'results-r-00009.jsonl', rows: 0 }),
    ['part_missing'],
  ],
  [
    'a part that nobody lists',
    (o) => Object.assign(o.more, { 'results-r-00003.jsonl': '' }),
    ['part_unlisted'],
  ],
  [
    'a file left over',
    (o) => Object.assign(o.more, { '.results-r-00001.jsonl.tmp': 'x' }),
    ['leftover_file'],
  ],
  ["another run's part", (o) => Object.assign(o.more, { 'results-q-00001.jsonl': '' }), ['leftover_file']],
  [
    'a superseded file that no one may leave',
    (o) => Object.assign(o.more, { 'superseded/x': '' }),
    ['leftover_file'],
  ],
  ['a wrong cost', (o) => Object.assign(o.summary, { cost_sats: 1 }), ['summary_cost']],
  ['a wrong count of lines', (o) => counts(o, 1), ['summary_lines']],
  [
    'a wrong count of a code',
    (o) => Object.assign(o.summary.failures, { invalid_json: 2 }),
    ['summary_failures'],
  ],
  ['a wrong count of a label', (o) => Object.assign(o.summary.labels, { cat: 99 }), ['summary_labels']],
  ['a state that is no end', (o) => Object.assign(o.summary, { state: 'running' }), ['summary_state']],
];

function swapLabels(out: Output): void {
  const rows = out.results.map((row) => JSON.parse(row) as { consensus_label: string });
  const other = rows.findIndex((row) => row.consensus_label !== rows[0]?.consensus_label);
  const [a, b] = [rows[0]?.consensus_label ?? '', rows[other]?.consensus_label ?? ''];
  replaceIn(out.results, 0, `"consensus_label":"${a}"`, `"consensus_label":"${b}"`);
  replaceIn(out.results, other, `"consensus_label":"${b}"`, `"consensus_label":"${a}"`);
}

function failThird(out: Output): void {
  const row = JSON.parse(out.results.splice(2, 1)[0] ?? '') as Fields;
  const { line, source, idempotency_key } = row;
  const error = { code: 'retries_exhausted', message: 'no' };
  const before = JSON.stringify({ line, source, idempotency_key, stage: 'submit', error, attempts: 1 });
  out.failures.push(`${before.slice(0, -1)},"input":${LINES[2]}}`);
}

/** Changes what the summary says about its first part. */
function changeFirstPart(out: Output, lie: Fields): void {
  const { parts } = out.summary;
  const push = parts.push.bind(parts);
  parts.push = (part) => push(parts.length === 0 ? { ...part, ...lie } : part);
}
