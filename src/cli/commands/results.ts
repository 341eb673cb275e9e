import { once } from 'node:events';
import { orderedRows, resultRows } from '../../results/order.js';
import { openSink } from '../../results/sink.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, withStore } from '../session.js';

export const results: CommandDefinition = {
  name: 'results',
  describe: "print a run's results as JSONL; --order line puts them in the manifest's order",
  args: [{ name: 'run', describe: 'run id', required: true }],
  options: [...storeOptions, 'order'],
  run: ({ settings, args, log, io }) =>
    withStore(settings, log, async (store) => {
      const record = await findRun(store, settings.prefix, args[0]);
      const rows = resultRows(openSink(record.out, store.objectStores), record.id);
      const ordered = settings.order === 'line' ? orderedRows(rows, record.manifest.sources) : rows;
      for await (const row of ordered) if (!io.stdout.write(`${row}\n`)) await once(io.stdout, 'drain');
      return 0;
    }),
};
