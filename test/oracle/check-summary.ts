import { createHash } from 'node:crypto';
import type { Evidence } from './evidence.js';
import { groupBy } from './group.js';
import type { Part, SeenRow } from './parts.js';
import type { Report } from './problem.js';

interface Summary {
  run_id: string;
  state: string;
  lines: number;
  settled: number;
  failed: number;
  unchanged?: number;
  carried?: number;
  failures: Record<string, number>;
  labels: Record<string, number>;
  cost_sats: number;
  gold?: Record<'lines' | 'agreed' | 'disagreed' | 'failed', number> | null;
  parts: { name: string; rows: number; bytes: number; sha256: string }[];
}

const ENDS = ['completed', 'cancelled'];
const FEED = '_parts.jsonl';
const NOT_PARTS = ['summary.json', '.asg-ingest.json', FEED];

/** The summary says what the parts hold, and nothing else is there. */
export function checkSummary(
  evidence: Evidence,
  parts: Part[],
  rows: SeenRow[],
  unchanged: number,
  report: Report,
): void {
  const { files, asked, allowed, reported } = evidence;
  const partNames = new Set(parts.map((part) => part.name));
  for (const name of files.keys()) {
    const superseded = allowed.superseded === true && name.startsWith('superseded/');
    if (!partNames.has(name) && !NOT_PARTS.includes(name) && !superseded) report('leftover_file', name);
  }
  const summary = summaryOf(files.get('summary.json'));
  if (summary === null) {
    report('summary_missing', 'summary.json');
    return;
  }
  if (summary.run_id !== asked.runId || !ENDS.includes(summary.state))
    report('summary_state', 'summary.json', `${summary.run_id}, ${summary.state}`);
  checkParts(summary, parts, report);
  checkFeed(summary, files.get(FEED), report);
  checkCounts(summary, rows, asked.carry === true ? 0 : unchanged, report);
  if (reported !== undefined && !sameJson(parsed(reported), summary))
    report('reported_summary', 'standard output', reported.slice(0, 300));
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

const summaryOf = (bytes: Buffer | undefined) =>
  bytes === undefined ? null : (parsed(bytes.toString('utf8')) as Summary | null);

function checkParts(summary: Summary, parts: Part[], report: Report): void {
  const listed = new Map(summary.parts.map((part) => [part.name, part]));
  for (const { name, rows, bytes } of parts) {
    const said = listed.get(name);
    listed.delete(name);
    if (said === undefined) {
      report('part_unlisted', name, `${rows} rows`);
      continue;
    }
    if (said.rows !== rows) report('part_rows', name, `${said.rows}, and there are ${rows}`);
    if (said.bytes !== bytes.length)
      report('part_bytes', name, `${said.bytes}, and there are ${bytes.length}`);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (said.sha256 !== sha256) report('part_sha256', name, `${said.sha256}, and it is ${sha256}`);
  }
  for (const name of listed.keys()) report('part_missing', name);
}

/** The feed has the same facts of each part as the summary. */
function checkFeed({ parts }: Summary, feed: Buffer | undefined, report: Report): void {
  const row = ({ name, rows, bytes, sha256 }: Summary['parts'][number]) =>
    JSON.stringify({ name, rows, bytes, sha256 });
  const told = (feed?.toString('utf8') ?? '').split('\n').filter(Boolean).sort();
  if (!sameJson(told, parts.map(row).sort())) report('parts_feed', FEED, `${told.length} rows`);
}

function checkCounts(summary: Summary, rows: SeenRow[], withoutRow: number, report: Report): void {
  const results = rows.filter((row) => row.kind === 'results');
  const failures = rows.filter((row) => row.kind === 'failures');
  const compare = (kind: Parameters<Report>[0], said: unknown, held: unknown) => {
    if (!sameJson(said, held))
      report(kind, 'summary.json', `${JSON.stringify(said)}, and it is ${JSON.stringify(held)}`);
  };
  compare(
    'summary_lines',
    [summary.lines, summary.settled, summary.failed, summary.unchanged ?? 0, summary.carried ?? 0],
    [rows.length + withoutRow, results.length, failures.length, withoutRow, results.filter(isCarried).length],
  );
  compare('summary_failures', sorted(summary.failures), counted(failures, codeOf));
  compare('summary_labels', sorted(summary.labels), counted(results, labelOf));
  const own = results.filter((row) => !isCarried(row));
  const golden = rows.filter(({ fields }) => fields.gold != null);
  const agreed = golden.filter(({ fields }) => fields.consensus_label === fields.gold).length;
  const goldFailed = golden.filter(({ kind }) => kind === 'failures').length;
  const { gold } = summary;
  if (golden.length > 0 || gold)
    compare(
      'summary_gold',
      [gold?.lines, gold?.agreed, gold?.disagreed, gold?.failed],
      [golden.length, agreed, golden.length - agreed - goldFailed, goldFailed],
    );
  // A delivery has no price. Another line of the same task may have it.
  const costs = new Map<unknown, number>();
  for (const { fields } of own)
    costs.set(fields.task_id, Math.max(costs.get(fields.task_id) ?? 0, Number(fields.cost_sats)));
  for (const { fields } of own) {
    const first = fields.escalated_from as { task_id: string; cost_sats: number } | null | undefined;
    if (first) costs.set(first.task_id, first.cost_sats);
  }
  compare(
    'summary_cost',
    summary.cost_sats,
    [...costs.values()].reduce((sum, cost) => sum + cost, 0),
  );
}

const isCarried = ({ fields }: SeenRow) => (fields.bought_by ?? null) !== null;
const codeOf = ({ fields }: SeenRow) => (fields.error as { code: string }).code;
const labelOf = ({ fields }: SeenRow) => String(fields.consensus_label ?? '(none)');

const counted = (rows: SeenRow[], nameOf: (row: SeenRow) => string) =>
  sorted(Object.fromEntries([...groupBy(rows, nameOf)].map(([name, each]) => [name, each.length])));

const sorted = (counts: Record<string, number>) =>
  Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));

const sameJson = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
