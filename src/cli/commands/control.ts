import { IngestError } from '../../lib/errors.js';
import { failQueuedLines } from '../../pipeline/cancel.js';
import { openQueues } from '../../queues/queues.js';
import { runKeys } from '../../runs/keys.js';
import type { RunState } from '../../runs/status.js';
import { pausedQueues, transition } from '../../runs/transition.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, withStore } from '../session.js';

/** The commands that a run allows when it is not to be moved. */
const INSTEAD: Record<RunState | 'gone', (run: string) => string> = {
  running: (run) => `\`asg-ingest status ${run}\` shows how it stands`,
  paused: (run) => `\`asg-ingest resume ${run}\` goes on`,
  blocked: (run) =>
    `nothing is submitted; \`asg-ingest status ${run}\` says why, \`resume\` or \`cancel\` move it`,
  completed: (run) => `it has ended; \`asg-ingest retry ${run}\` submits what failed once more`,
  cancelled: (run) => `that is final; \`asg-ingest retry ${run}\` submits what failed once more`,
  gone: () => '`asg-ingest runs` lists the runs on record',
};

/** `pause`, `resume` and `cancel`: each moves a run to a state and its queues with it, for all processes at once. */
function control(name: string, describe: string, to: RunState, done: string): CommandDefinition {
  return {
    name,
    describe,
    args: [{ name: 'run', describe: 'run id', required: true }],
    options: [...storeOptions, 'json'],
    run: ({ settings, args, log, io }) =>
      withStore(settings, log, async (store) => {
        const record = await findRun(store, settings.prefix, args[0]);
        const keys = runKeys(settings.prefix, record.id);
        const state = await transition(store.redis, keys, to);
        if (state === to) {
          const queues = openQueues(keys, store.connection, (error) =>
            log.debug({ err: error }, 'queue error'),
          );
          const still = pausedQueues(to, null);
          for (const queue of ['submit', 'poll'] as const)
            await (still[queue] ? queues[queue].pause() : queues[queue].resume());
          if (to === 'cancelled') await failQueuedLines(store, settings.prefix, record, queues, log);
          await queues.close();
        }
        if (settings.json) io.stdout.write(`${JSON.stringify({ run_id: record.id, state })}\n`);
        if (state !== to)
          throw new IngestError('state', `run ${record.id} is ${state}; nothing was changed`, {
            hint: INSTEAD[state](record.id),
          });
        if (!settings.json) io.stdout.write(`run ${record.id} ${done}\n`);
        return 0;
      }),
  };
}

export const pause = control(
  'pause',
  'stop submitting and polling, in all processes',
  'paused',
  'is paused; `asg-ingest resume` goes on',
);
export const resume = control(
  'resume',
  'go on with a paused or blocked run',
  'running',
  'goes on, in `work` or with the same `run` again',
);
export const cancel = control(
  'cancel',
  'end a run early: queued lines fail as cancelled, what was submitted still settles',
  'cancelled',
  'is cancelled; what was submitted still settles while `run` or `work` is on',
);
