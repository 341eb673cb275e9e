import { consensusOf, txidOf } from '../../src/sandbox/labels.js';
import type { BoughtTask, Evidence } from './evidence.js';
import type { Ask, ManifestLine } from './manifest-lines.js';
import type { SeenRow } from './parts.js';
import type { Report } from './problem.js';
import { rawMembers } from './raw-json.js';
import type { Before } from './settled-before.js';

/** A line's failure shows its input whole, or its text cut at so many bytes. */
const CUT_BYTES = 4_096;

/** What a delivery does not tell of a result. */
const NOT_IN_DELIVERY = ['worker_count', 'agreement_count', 'cost_sats', 'created_at'];

/** Each line once, and each row what its line and the Gateway say. */
export function checkRows(
  evidence: Evidence,
  lines: Map<string, ManifestLine>,
  rows: SeenRow[],
  unchanged: Map<string, Before>,
  report: Report,
): void {
  const tasks = new Map(evidence.tasks.map((task) => [task.task_id, task]));
  const seen = new Map<string, SeenRow>();
  const scopes = new Set<string>();
  for (const row of rows) {
    const line = lines.get(row.id);
    const before = seen.get(row.id);
    if (line === undefined) report('unknown_line', row.id, row.file);
    else if (before !== undefined) report('doubled_line', row.id, `${before.file} and ${row.file}`);
    else if (row.kind === 'results') checkResult(evidence, line, row, tasks, report);
    else checkFailure(evidence, line, row, report);
    if (line !== undefined) checkGold(evidence, line, row, report);
    checkCarried(evidence, row, unchanged.get(row.id), report);
    // A row that was carried has the key that its task was bought with.
    if (line !== undefined && !unchanged.has(row.id)) checkKey(line, row, scopes, report);
    seen.set(row.id, row);
  }
  if (evidence.allowed.unread) return;
  const needsNone = (id: string) => unchanged.has(id) && evidence.asked.carry !== true;
  for (const id of lines.keys()) if (!seen.has(id) && !needsNone(id)) report('missing_line', id);
}

/** What an earlier run had settled is its row, or none; what it had not is this run's own. */
function checkCarried({ asked }: Evidence, row: SeenRow, before: Before | undefined, report: Report): void {
  if (before === undefined) {
    if ((row.fields.bought_by ?? null) !== null)
      report('wrong_carry', row.id, `${row.fields.bought_by} bought it`);
    return;
  }
  if (asked.carry !== true) report('unchanged_row', row.id, row.file);
  else if (row.fields.bought_by !== before.boughtBy || row.fields.task_id !== before.row.fields.task_id)
    report('wrong_carry', row.id, `${row.fields.bought_by}, ${row.fields.task_id}`);
}

function checkResult(
  { asked, allowed }: Evidence,
  line: ManifestLine,
  row: SeenRow,
  tasks: Map<string, BoughtTask>,
  report: Report,
): void {
  const { id, fields } = row;
  const { ask } = line;
  if (ask === null) {
    report('settled_invalid', id, row.file);
    return;
  }
  if (fields.data_url !== ask.dataUrl) report('wrong_data_url', id, `${fields.data_url}, not ${ask.dataUrl}`);
  checkMetadata(ask, row, report);

  const first = { question: ask.question, options: ask.options, threshold: ask.threshold };
  const again = checkEscalation(asked, ask, row, tasks, report);
  const key = again ? `${fields.idempotency_key}-escalated-${ask.threshold + 2}` : fields.idempotency_key;
  const task = tasks.get(String(fields.task_id));
  if (task === undefined) report('wrong_task', id, `${fields.task_id} is not known`);
  else if (task.data_url !== ask.dataUrl || task.idempotency_key !== key)
    report('wrong_task', id, `${task.task_id} was bought for ${task.data_url}, ${task.idempotency_key}`);

  const question = {
    dataUrl: ask.dataUrl,
    spec: again ? { ...first, threshold: ask.threshold + 2 } : first,
  };
  const given = consensusOf(asked.seed, question);
  if (fields.consensus_label !== given.label)
    report('wrong_label', id, `${fields.consensus_label}, not ${given.label}`);
  const rest = {
    confidence: given.confidence,
    worker_count: given.workers,
    agreement_count: given.agreeing,
    cost_sats: given.costSats,
    bsv_txid: txidOf(asked.seed, question),
    ...(task === undefined ? {} : { created_at: task.created_at }),
  };
  const untold = allowed.trusted === true && fields.settled_by === 'webhook' ? NOT_IN_DELIVERY : [];
  for (const [name, value] of Object.entries(rest))
    if (fields[name] !== value && !(fields[name] === null && untold.includes(name)))
      report('wrong_result', id, `${name}: ${fields[name]}, not ${value}`);
}

/** Whether the row is of a second answer. Then it has the first one too, which met the condition, under the line's own key. */
function checkEscalation(
  { escalateBelow, seed }: Evidence['asked'],
  { dataUrl, question, options, threshold }: Ask,
  { id, fields }: SeenRow,
  tasks: Map<string, BoughtTask>,
  report: Report,
): boolean {
  const first = fields.escalated_from as Record<string, unknown> | null | undefined;
  if (escalateBelow === undefined) {
    if (first !== undefined) report('wrong_escalation', id, 'nothing was to be asked again');
    return false;
  }
  const given = consensusOf(seed, { dataUrl, spec: { question, options, threshold } });
  const meets = given.confidence < escalateBelow;
  const outcome = fields.escalation;
  if (meets !== (outcome !== null))
    report('wrong_escalation', id, `${outcome}, confidence ${given.confidence}`);
  const answered = outcome === 'same' || outcome === 'changed';
  if (answered !== (first != null)) report('wrong_escalation', id, `${outcome}: ${JSON.stringify(first)}`);
  if (first == null) return false;
  const task = tasks.get(String(first.task_id));
  if (task?.idempotency_key !== fields.idempotency_key || first.confidence !== given.confidence)
    report('wrong_escalation', id, `the first task: ${JSON.stringify(first)}`);
  return true;
}

/** In a run with gold lines each row says whether it is of one, in others none does. */
function checkGold(
  { sources }: Evidence,
  { ask }: ManifestLine,
  { id, fields }: SeenRow,
  report: Report,
): void {
  const expected = sources.some(({ gold }) => gold) ? (ask?.gold ?? null) : undefined;
  if (fields.gold !== expected) report('wrong_gold', id, `${fields.gold}, not ${expected}`);
}

function checkMetadata(ask: Ask, row: SeenRow, report: Report): void {
  const written = rawMembers(row.text).get('metadata') ?? '';
  if (written === ask.metadata) return;
  // The same value in other bytes is another fault than another line's value.
  const same = JSON.stringify(JSON.parse(written)) === JSON.stringify(JSON.parse(ask.metadata));
  report(same ? 'metadata_bytes' : 'wrong_metadata', row.id, `${written}, not ${ask.metadata}`);
}

function checkFailure(
  { allowed }: Evidence,
  { ask, text }: ManifestLine,
  { id, fields, text: written }: SeenRow,
  report: Report,
) {
  const { code } = fields.error as { code: string };
  if (ask !== null && fields.stage === 'manifest') report('unexpected_failure', id, `rejected: ${code}`);
  else if (ask !== null && !allowed.codes?.includes(code)) report('unexpected_failure', id, code);
  if (!isInput(fields.input, rawMembers(written).get('input'), text))
    report('wrong_input', id, JSON.stringify(fields.input));
}

/** A line that is JSON comes back byte for byte, any other as a text. */
function isInput(input: unknown, raw: string | undefined, text: string): boolean {
  if (typeof input !== 'string') return raw === text.trim();
  return text.startsWith(input) && (input === text || Buffer.byteLength(input) >= CUT_BYTES - 4);
}

/** What the run is made of may be part of a line's own key, behind the run's name: then it is the same in all rows. */
function checkKey({ ask }: ManifestLine, { id, fields }: SeenRow, scopes: Set<string>, report: Report): void {
  if (ask?.key == null) return;
  const key = String(fields.idempotency_key);
  const [, before = '', scope = '', after = ''] = /^([^.]*)(\.[0-9a-f]{12})(-\d+-\d+)$/.exec(key) ?? [];
  if (scope !== '') scopes.add(scope);
  if ((scope === '' ? key : before + after) !== ask.key || scopes.size > 1)
    report('wrong_key', id, `${key}, not ${ask.key}`);
}
