import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../../pipeline/open.js';
import { putForecastInStatus, readForecast } from '../../plan/forecast/known.js';
import { readBudget } from '../../runs/allowed-rate.js';
import { runKeys } from '../../runs/keys.js';
import { readRun } from '../../runs/read-status.js';
import type { RunRecord } from '../../runs/record.js';
import type { RunStatus } from '../../runs/status.js';
import { waitingForOf } from '../../runs/waiting-for.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, withStore } from '../session.js';
import { formatStatus } from '../status-text.js';

const WATCH_MS = 1_000;

export const status: CommandDefinition = {
  name: 'status',
  describe: 'how a run stands; without a name the latest one',
  args: [{ name: 'run', describe: 'run id', required: false }],
  options: [...storeOptions, 'watch', 'json'],
  run: ({ settings, args, log, io }) =>
    withStore(settings, log, async (store) => {
      const record = await findRun(store, settings.prefix, args[0]);
      for (;;) {
        const now = await statusOf(store, settings.prefix, record);
        io.stdout.write(settings.json ? `${JSON.stringify(now)}\n` : `${formatStatus(now, record.out)}\n`);
        if (!settings.watch || now.ended_at !== null) return 0;
        await sleep(WATCH_MS);
      }
    }),
};

async function statusOf(store: Store, prefix: string, record: RunRecord): Promise<RunStatus> {
  const reading = await readRun(store.redis, prefix, record.id, { withParts: true });
  if (reading === null) throw new Error(`run ${record.id} is gone`);
  const budget = await readBudget(store.redis, prefix, record);
  Object.assign(reading.status, waitingForOf(reading, budget));
  putForecastInStatus(reading, await readForecast(store.redis, runKeys(prefix, record.id), reading, budget));
  return { ...reading.status, rate: budget.rate };
}
