import { once } from 'node:events';
import { usageError } from '../../errors.js';
import { exportRows } from '../../results/export.js';
import { orderedRows, resultRows } from '../../results/order.js';
import { openSink } from '../../results/sink.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, withStore } from '../session.js';

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
      for await (const chunk of exportRows(ordered, settings.format))
        if (!io.stdout.write(chunk)) await once(io.stdout, 'drain');
      return 0;
    }),
};
