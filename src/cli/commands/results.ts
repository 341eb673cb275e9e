import { once } from 'node:events';
import { formatDuration, formatSize } from '../../config/units.js';
import { usageError } from '../../lib/errors.js';
import { exportRows } from '../../results/export.js';
import { orderedRows, resultRows } from '../../results/order.js';
import { openSink } from '../../results/sink.js';
import { type RunReading, readRun } from '../../runs/read-status.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, withStore } from '../session.js';

/** Why there are fewer rows than lines; null when all that settled is there. */
function missingText({ record, status, unflushed, summedUp }: RunReading): string | null {
  const { id, policy, state } = record;
  if (summedUp)
    return status.settled === 0
      ? `run ${id} is ${state}, and no line settled: \`asg-ingest status ${id}\``
      : null;
  const printed = Math.max(0, status.settled + status.failed - unflushed.rows);
  const when = `a part is closed at ${formatSize(policy.partSizeBytes)}, after ${formatDuration(policy.partAgeMs)}, and at the end`;
  const of = printed === 0 ? 'no part is closed yet' : 'what is in closed parts is printed';
  return `run ${id} is ${state}, ${status.settled} of ${status.lines} lines settled: ${of} (${when}); \`asg-ingest status ${id}\` shows how it stands`;
}

export const results: CommandDefinition = {
  name: 'results',
  describe: "print a run's results: JSONL, CSV or Parquet; --order line puts them in the manifest's order",
  args: [{ name: 'run', describe: 'run id', required: true }],
  options: [...storeOptions, 'order', 'format'],
  examples: ['asg-ingest results animals --format parquet > animals.parquet'],
  run: ({ settings, args, log, io }) =>
    withStore(settings, log, async (store) => {
      if (settings.format === 'parquet' && io.stdout.isTTY)
        throw usageError('--format', 'parquet is not for a terminal', {
          hint: 'redirect it: … > results.parquet',
        });
      const record = await findRun(store, settings.prefix, args[0]);
      const rows = resultRows(openSink(record.out, store.objectStores), record.id);
      const ordered = settings.order === 'line' ? orderedRows(rows, record.manifest.sources) : rows;
      for await (const chunk of exportRows(ordered, settings.format, {
        gold: record.manifest.gold !== undefined,
        escalated: record.task.escalate !== undefined,
      }))
        if (!io.stdout.write(chunk)) await once(io.stdout, 'drain');
      const reading = await readRun(store.redis, settings.prefix, record.id);
      const note = reading === null ? null : missingText(reading);
      if (note !== null) io.stderr.write(`asg-ingest: ${note}\n`);
      return 0;
    }),
};
