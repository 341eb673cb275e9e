import type { Settings } from '../config/index.js';
import type { Notifier } from '../pipeline/notices/notifier.js';
import type { Pipeline } from '../pipeline/pipeline.js';

/** Begins to send notices of runs to the address of `--notify`; null without one. */
export async function openNotices(
  pipeline: Pipeline,
  { notify, notifySecret }: Settings,
  runs: () => Promise<string[]>,
): Promise<Notifier | null> {
  if (notify === null) return null;
  const { createNotifier } = await import('../pipeline/notices/notifier.js');
  const secret = notifySecret?.reveal() ?? null;
  const notifier = createNotifier(pipeline, { url: notify.reveal(), secret, runs });
  notifier.start();
  return notifier;
}
