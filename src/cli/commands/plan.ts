import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Settings } from '../../config/index.js';
import { number } from '../../lib/format.js';
import { createObjectStores } from '../../lib/object-stores/index.js';
import type { PlanParts } from '../../plan/make-plan.js';
import { openLiveFrame } from '../live-frame.js';
import { manifestOptions, pipelineOptions, taskOptionNames } from '../option-groups.js';
import { formatPlan } from '../plan-text.js';
import type { CommandContext, CommandDefinition, Output } from '../program.js';
import { onInterrupt, withPipeline, withStore } from '../session.js';

export const plan: CommandDefinition = {
  name: 'plan',
  describe: 'check every line of a manifest and forecast its run: cost, calls, time; nothing is sent',
  args: [{ name: 'manifest', describe: 'as for `run`', required: true }],
  options: [...pipelineOptions, ...taskOptionNames, ...manifestOptions, 'sample', 'json', 'quiet'],
  examples: [
    'asg-ingest plan items.jsonl --question "Which animal?" --options cat,dog,bird',
    'asg-ingest plan s3://bucket/items/ --label-spec spec.json --sample 1% --json',
  ],
  run: async (context) => {
    const { settings, args, io } = context;
    const interrupt = onInterrupt(() => undefined);
    const progress = await showProgress(io.stderr, settings.quiet || settings.json);
    try {
      return await withParts(context, async (parts) => {
        const { makePlan } = await import('../../plan/make-plan.js');
        const { cwd } = io;
        const watch = { cwd, signal: interrupt.signal, onRead: progress.update };
        const made = await makePlan(parts, settings, args[0] ?? '', watch);
        progress.end();
        const text = settings.json
          ? JSON.stringify(made, null, 2)
          : formatPlan(made, { color: io.stdout.isTTY === true });
        io.stdout.write(`${text}\n`);
        return made.valid < made.lines ? 3 : 0;
      });
    } catch (error) {
      if (interrupt.signal.aborted && error === interrupt.signal.reason) return interrupt.status() ?? 1;
      throw error;
    } finally {
      progress.end();
      interrupt.end();
    }
  },
};

/**
 * With a key, opens everything that a run would open. Without a key, only reads an existing Redis: a plan starts none.
 */
async function withParts(
  { settings, log }: CommandContext,
  use: (parts: PlanParts) => Promise<number>,
): Promise<number> {
  const { originOf } = await import('../../pipeline/open.js');
  const origin = originOf(settings);
  if (settings.apiKey !== null || settings.sandbox)
    // `--rate` is for the planned run. As a limit of the key it would slow down the runs that are going on.
    return withPipeline(
      { ...settings, rate: null },
      log,
      ({ objectStores, redis, client, budget, keyFingerprint }) =>
        use({ objectStores, redis, origin, gateway: { client, budget, keyFingerprint } }),
    );
  if (settings.redisUrl !== null || hasEmbeddedRedis(settings))
    return withStore(settings, log, ({ objectStores, redis }) =>
      use({ objectStores, redis, origin, gateway: null }),
    );
  const objectStores = createObjectStores(settings);
  try {
    return await use({ objectStores, redis: null, origin, gateway: null });
  } finally {
    await objectStores.close();
  }
}

const hasEmbeddedRedis = ({ dataDir }: Settings) => existsSync(path.join(dataDir, 'redis'));

const LIVE_MS = 100;
const LINES_MS = 5_000;
const BAR_WIDTH = 30;

/** A bar on a terminal, else a line each 5 s. */
async function showProgress(stderr: Output, quiet: boolean) {
  const frame = !quiet && stderr.isTTY ? await openLiveFrame(stderr) : null;
  const everyMs = frame === null ? LINES_MS : LIVE_MS;
  let shownAt = performance.now();
  let ended = false;
  return {
    update(lines: number, bytes: number, total: number | null): void {
      if (quiet || performance.now() - shownAt < everyMs) return;
      shownAt = performance.now();
      const share = total === null || total === 0 ? null : Math.min(1, bytes / total);
      const done = share === null ? '' : ` ${Math.floor(share * 100)}%`;
      const text = `${number(lines)} lines, ${number(bytes / 2 ** 20)} MiB read${done}`;
      if (frame === null) stderr.write(`${text}\n`);
      else frame.draw(share === null ? text : `${bar(share)}  ${text}`);
    },
    end(): void {
      if (!ended) frame?.end();
      ended = true;
    },
  };
}

const bar = (share: number) =>
  `${'█'.repeat(Math.floor(share * BAR_WIDTH))}${'░'.repeat(BAR_WIDTH - Math.floor(share * BAR_WIDTH))}`;
