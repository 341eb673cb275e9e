import { createBudget } from '../../budget/index.js';
import { parseRateWindows, type RateWindow, type Settings, splitWindows } from '../../config/index.js';
import { usageError } from '../../lib/errors.js';
import type { Store } from '../../pipeline/open.js';
import { keyFingerprint } from '../../runs/identity.js';
import { budgetKey } from '../../runs/keys.js';
import { listRuns } from '../../runs/record.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { withStore } from '../session.js';

export const rate: CommandDefinition = {
  name: 'rate',
  describe:
    "show the key's limit, or set it for the whole fleet: calls per second, windows like 10/s,20000/d, or auto",
  args: [{ name: 'n|auto', describe: 'calls per second, or windows', required: false }],
  options: [...storeOptions, 'gatewayUrl', 'sandbox', 'json'],
  run: ({ settings, args, log, io }) =>
    withStore(settings, log, async (store) => {
      const wanted = args[0];
      const key = await budgetKeyOf(store, settings);
      const budget = createBudget({ redis: store.redis, key, log });
      try {
        if (wanted !== undefined) {
          const { pace, quotas } = splitWindows(windowsOf(wanted));
          await budget.setRate(pace, quotas);
        }
        const now = await budget.snapshot();
        if (settings.json) io.stdout.write(`${JSON.stringify(now)}\n`);
        else
          io.stdout.write(
            now.rate === null ? 'no limit in force\n' : `${now.rate} calls/s (${now.source})\n`,
          );
        return 0;
      } finally {
        await budget.close();
      }
    }),
};

function windowsOf(text: string): readonly RateWindow[] {
  if (text === 'auto') return [];
  const windows = parseRateWindows(text);
  if (windows !== undefined) return windows;
  throw usageError(
    'rate',
    `${text} is neither a number of calls per second above 0, nor windows like 10/s,20000/d, nor auto`,
  );
}

/** The key in the settings, else that of the latest run. */
async function budgetKeyOf({ redis }: Store, settings: Settings): Promise<string> {
  const apiKey = settings.apiKey?.reveal();
  if (apiKey && !settings.sandbox) {
    const url = new URL(settings.gatewayUrl);
    const origin = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
    return budgetKey(settings.prefix, keyFingerprint(apiKey), origin);
  }
  const latest = (await listRuns(redis, settings.prefix)).at(-1);
  if (latest === undefined)
    throw usageError('ASG_API_KEY', 'no API key is set and no run is on record to take it from');
  return budgetKey(settings.prefix, latest.keyFingerprint, latest.gateway);
}
