import { createBudget } from '../../budget/index.js';
import {
  flagOf,
  formatRateWindows,
  kebab,
  optionOf,
  type RateWindow,
  type Settings,
  splitWindows,
} from '../../config/index.js';
import { IngestError, usageError } from '../../lib/errors.js';
import type { Store } from '../../pipeline/open.js';
import { budgetKey, runKeys } from '../../runs/keys.js';
import type { RunRecord } from '../../runs/record.js';
import type { BlockReason, Change } from '../../runs/status.js';
import { transition } from '../../runs/transition.js';
import { TUNABLE, type TunedPolicy, tunePolicy } from '../../runs/tune.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, withStore } from '../session.js';

/** A run that was blocked for one of these goes on when its limit is another. */
const BLOCKED_FOR = {
  spend: 'spend',
  spendPerDay: 'spend',
  budget: 'budget',
  maxFailures: 'failures',
  maxGoldErrors: 'gold',
} as const satisfies Partial<Record<keyof TunedPolicy, BlockReason>>;

export const tune: CommandDefinition = {
  name: 'tune',
  describe: 'change the limits of a run while it goes on; every process takes them within 2 s',
  args: [{ name: 'run', describe: 'run id', required: true }],
  options: [...storeOptions, 'rate', ...TUNABLE, 'json'],
  examples: [
    'asg-ingest tune animals --spend 2000000 --rate 50',
    'asg-ingest tune animals --max-in-flight 5000 --max-failures 2%',
  ],
  run: ({ settings, args, flags, log, io }) => {
    const to = wantedOf(settings, flags);
    const windows = flags.rate === undefined ? null : windowsOf(settings);
    if (windows === null && Object.keys(to).length === 0)
      throw usageError('tune', 'nothing is given to change', {
        hint: `give ${['rate', ...TUNABLE].map(flagOf).join(', ')}, or some of them`,
      });
    return withStore(settings, log, async (store) => {
      const record = await findRun(store, settings.prefix, args[0]);
      refuse(record, to);
      const others = windows === null ? [] : [await setRate(store, settings, record, windows)];
      const changes = await tunePolicy(store.redis, settings.prefix, record.id, to, { show, others });
      if (changes === null) throw new IngestError('state', `run ${record.id} is gone; nothing was changed`);
      const goesOn = await goOn(store, settings, record, to);
      if (settings.json)
        io.stdout.write(`${JSON.stringify({ run_id: record.id, changes, goes_on: goesOn })}\n`);
      else io.stdout.write(`${textOf(record, changes, goesOn)}\n`);
      return 0;
    });
  },
};

/** The values of the given flags. The environment and settings files are for new runs. */
function wantedOf(settings: Settings, flags: Record<string, unknown>): TunedPolicy {
  const given = TUNABLE.filter((field) => flags[field] !== undefined);
  return Object.fromEntries(given.map((field) => [field, settings[field]]));
}

const windowsOf = ({ rate, rateQuotas }: Settings): RateWindow[] => [
  ...(rate === null ? [] : [{ calls: rate, perMs: 1_000 }]),
  ...rateQuotas,
];

function refuse({ id, state, policy }: RunRecord, to: TunedPolicy): void {
  if (state === 'completed' || state === 'cancelled')
    throw new IngestError('state', `run ${id} is ${state}; nothing was changed`, {
      hint: '`tune` is for runs that have not ended',
    });
  if (policy.until === 'verified' && (to.spend !== undefined || to.spendPerDay !== undefined))
    throw usageError(
      '--spend',
      `cannot be kept by run ${id}: with --until verified no answer says what a label cost`,
      {
        hint: 'use --budget <tasks>',
      },
    );
}

/** The limit is the key's: it holds for all its runs, as with `asg-ingest rate`. */
async function setRate(
  { redis }: Store,
  { prefix }: Settings,
  { keyFingerprint, gateway }: RunRecord,
  windows: readonly RateWindow[],
): Promise<Change> {
  const budget = createBudget({ redis, key: budgetKey(prefix, keyFingerprint, gateway) });
  try {
    const { rate, source } = await budget.snapshot();
    const { pace, quotas } = splitWindows(windows);
    await budget.setRate(pace, quotas);
    const from = rate === null ? null : `${Number(rate.toFixed(1))}/s (${source})`;
    return { what: 'rate', from, to: formatRateWindows(windows), at: new Date().toISOString() };
  } finally {
    await budget.close();
  }
}

/** Whether the run was blocked for a limit that is another now. */
async function goOn(
  store: Store,
  { prefix }: Settings,
  { id }: RunRecord,
  to: TunedPolicy,
): Promise<boolean> {
  const keys = runKeys(prefix, id);
  for (const [field, reason] of Object.entries(BLOCKED_FOR)) {
    if (to[field as keyof typeof BLOCKED_FOR] === undefined) continue;
    const [state, why] = await store.redis.hmget(keys.record, 'state', 'reason');
    if (state !== 'blocked' || why !== reason) continue;
    return (await transition(store.redis, keys, 'running', { onlyFrom: reason })) === 'running';
  }
  return false;
}

const show = (field: (typeof TUNABLE)[number], value: unknown): Pick<Change, 'what' | 'to'> => ({
  what: kebab(field),
  to: value === null || typeof value === 'number' ? value : optionOf(field).show(value),
});

function textOf({ id, state, message }: RunRecord, changes: readonly Change[], goesOn: boolean): string {
  if (changes.length === 0) return `run ${id}: all of it is so already`;
  const rows = changes.map(({ what, from, to }) => `  ${what.padEnd(14)}${from ?? 'none'} → ${to ?? 'none'}`);
  const next = goesOn
    ? ['  → it was blocked, and goes on: in `work`, or with the same `run` again']
    : state === 'blocked'
      ? [`  → it stays blocked: ${message ?? ''}`]
      : [];
  return [`run ${id}`, ...rows, ...next].join('\n');
}
