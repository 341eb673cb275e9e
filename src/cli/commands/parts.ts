import { setTimeout as sleep } from 'node:timers/promises';
import { feedRow, partsOnRecord } from '../../results/parts-feed.js';
import { readRun } from '../../runs/read-status.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, onInterrupt, withStore } from '../session.js';

const CHECK_EVERY_MS = 1_000;

export const parts: CommandDefinition = {
  name: 'parts',
  describe: "a run's durable parts, as in _parts.jsonl: name, rows, bytes, SHA-256; --follow waits for more",
  args: [{ name: 'run', describe: 'run id', required: true }],
  options: [...storeOptions, 'follow'],
  examples: ['asg-ingest parts animals --follow | jq -r .name'],
  run: ({ settings, args, log, io }) =>
    withStore(settings, log, async (store) => {
      const { id } = await findRun(store, settings.prefix, args[0]);
      const interrupt = onInterrupt(() => undefined);
      const shown = new Set<string>();
      try {
        for (;;) {
          // The run is read before its parts. So parts that were written before the summary are not missed.
          const reading = await readRun(store.redis, settings.prefix, id);
          for (const part of await partsOnRecord(store.redis, settings.prefix, id)) {
            if (shown.has(part.name)) continue;
            shown.add(part.name);
            io.stdout.write(`${feedRow(part)}\n`);
          }
          const over = reading === null || reading.summedUp;
          if (!settings.follow || over || interrupt.signal.aborted) return interrupt.status() ?? 0;
          await sleep(CHECK_EVERY_MS, undefined, { signal: interrupt.signal }).catch(() => undefined);
        }
      } finally {
        interrupt.end();
      }
    }),
};
