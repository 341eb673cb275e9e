import type { BoughtTask, Evidence } from './evidence.js';
import { groupBy } from './group.js';
import type { ManifestLine } from './manifest-lines.js';
import type { SeenRow } from './parts.js';
import type { Report } from './problem.js';
import { type Before, tasksBefore } from './settled-before.js';

/** Each task was bought once, for a line that asks for it, and a row names it. */
export function checkTasks(
  evidence: Evidence,
  allLines: Map<string, ManifestLine>,
  rows: SeenRow[],
  unchanged: Map<string, Before>,
  report: Report,
): void {
  const { asked } = evidence;
  // Earlier runs' tasks are checked with them; what they have settled has no use for another.
  const before = tasksBefore(evidence);
  const tasks = evidence.tasks.filter(({ task_id }) => !before.has(task_id));
  const lines = new Map([...allLines].filter(([id]) => !unchanged.has(id)));
  const uses = usesOf(lines, asked.key === 'line');
  const told = new Set(
    rows.flatMap(({ fields }) => [fields.task_id, fields.idempotency_key, firstTask(fields)]),
  );
  const isSecond = ({ idempotency_key: key }: BoughtTask) =>
    asked.escalateBelow !== undefined && key !== null && /-escalated-\d+$/.test(key);
  for (const [url, bought] of groupBy(tasks, (task) => task.data_url)) {
    const most = uses.get(url) ?? 0;
    if (most === 0) report('extra_task', bought[0]?.task_id ?? url, url);
    else if (bought.filter((task) => !isSecond(task)).length > most)
      report('paid_twice', url, `${names(bought)}, and ${most} would do`);
  }
  for (const [key, bought] of groupBy(tasks, (task) => task.idempotency_key))
    if (key !== null && bought.length > 1 && (uses.get(bought[0]?.data_url ?? '') ?? 0) >= bought.length)
      report('paid_twice', key, names(bought));
  for (const { task_id, idempotency_key, data_url } of tasks)
    if (
      uses.has(data_url) &&
      ![task_id, idempotency_key, lineKeyOf(idempotency_key)].some((name) => told.has(name))
    )
      report('unreported_task', task_id, data_url);
}

/** How many tasks each data_url has a use for: one a line, or one for all lines that ask the same. */
function usesOf(lines: Map<string, ManifestLine>, oneEach: boolean): Map<string, number> {
  const asks = new Map<string, Set<string>>();
  for (const [id, { ask }] of lines) {
    if (ask === null) continue;
    const { dataUrl, question, options, threshold, key } = ask;
    const use = key ?? (oneEach ? id : JSON.stringify([question, options, threshold]));
    asks.set(dataUrl, (asks.get(dataUrl) ?? new Set()).add(use));
  }
  return new Map([...asks].map(([url, each]) => [url, each.size]));
}

const firstTask = ({ escalated_from: first }: SeenRow['fields']) =>
  (first as { task_id?: string } | null | undefined)?.task_id;

const lineKeyOf = (key: string | null) => key?.replace(/-escalated-\d+$/, '');

const names = (tasks: BoughtTask[]) => tasks.map((task) => task.task_id).join(', ');
