import type { Logger } from 'pino';
import type { Settings } from '../config/index.js';
import { IngestError } from '../lib/errors.js';
import { refuseTooFewFiles } from '../lib/net/open-files.js';
import { createReleasers, type Releasers } from '../lib/releasers.js';
import type { Store } from '../pipeline/open.js';
import { openRedisWhileLoading } from '../pipeline/open-redis.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { listRuns, loadRun, type RunRecord } from '../runs/record.js';

/** Runs `use` with the opened resources, and always closes them in reverse order. */
async function withReleasers<T>(use: (releasers: Releasers) => Promise<T>): Promise<T> {
  const releasers = createReleasers();
  try {
    return await use(releasers);
  } finally {
    await releasers.close();
  }
}

export const withPipeline = <T>(
  settings: Settings,
  log: Logger,
  use: (pipeline: Pipeline) => Promise<T>,
): Promise<T> =>
  withReleasers(async (releasers) => {
    await refuseTooFewFiles();
    const load = () => Promise.all([import('../pipeline/open.js'), import('../pipeline/work.js')]);
    const [target, [{ openPipeline }]] = await openRedisWhileLoading(load, settings, log, releasers.add);
    return use(await openPipeline(settings, log, releasers, target));
  });

export const withStore = <T>(
  settings: Settings,
  log: Logger,
  use: (store: Store) => Promise<T>,
): Promise<T> =>
  withReleasers(async (releasers) => {
    const load = () => import('../pipeline/open.js');
    const [target, { openStore }] = await openRedisWhileLoading(load, settings, log, releasers.add);
    return use(await openStore(settings, log, releasers, target));
  });

export const NO_RUN = 'no run is on record here';
export const FIRST_RUN =
  '`asg-ingest run <manifest>` begins one; for runs of another place give --data-dir, --redis-url or --prefix';

/** The run of this name; without a name the latest one. */
export async function findRun({ redis }: Store, prefix: string, id: string | undefined): Promise<RunRecord> {
  const name = id ?? (await listRuns(redis, prefix)).at(-1)?.id;
  const record = name === undefined ? null : await loadRun(redis, prefix, name);
  if (record) return record;
  if (id === undefined) throw new IngestError('usage', NO_RUN, { hint: FIRST_RUN });
  throw new IngestError('usage', `no run ${id} is on record`, {
    hint: '`asg-ingest runs` lists them; check --data-dir, --redis-url and --prefix',
  });
}

/** Rules for a command's stop: before its pipeline is open, and while Redis is away, nothing can be finished. */
export function createStopRules(onGiveUp?: () => void): StopRules & { opened(pipeline: Pipeline): void } {
  let now: Pipeline | null = null;
  return {
    opened(pipeline) {
      now = pipeline;
    },
    mayFinish: () => now !== null && now.waits?.current()?.for !== 'redis',
    ...(onGiveUp === undefined ? {} : { onGiveUp }),
  };
}

export interface Interrupt {
  /** Aborts at the first SIGINT or SIGTERM. */
  signal: AbortSignal;
  /** 130 or 143 once interrupted, else null. */
  status(): number | null;
  end(): void;
}

const STATUS = { SIGINT: 130, SIGTERM: 143 } as const;
/** Longest stop of a process. Calls in flight have 10 s of it; the rest waits for a silent Redis or Gateway. */
export const STOP_MS = 15_000;

/** When nothing could be finished for this long, the process ends without waiting, ms. */
const STUCK_MS = 2_000;
const CHECK_EVERY_MS = 200;

/** When a stopped command may wait for its work, and what it does before it gives up. */
export interface StopRules {
  /** Whether work in flight can be finished now. Without Redis it cannot. */
  mayFinish(): boolean;
  /** The process ends now, without having finished. */
  onGiveUp?(): void;
}

/**
 * The first signal ends the work in good order, after 15 s in any case, and after 2 s in which nothing can be finished;
 * the second ends it at once.
 */
export function onInterrupt(
  note: (text: string) => void,
  { mayFinish, onGiveUp }: StopRules = { mayFinish: () => true },
): Interrupt {
  const controller = new AbortController();
  let status: number | null = null;
  const handle = (name: keyof typeof STATUS) => {
    if (status !== null) process.exit(status);
    status = STATUS[name];
    note('stopping: calls in flight are finished, at most 10 s; once more to stop at once');
    const end = STATUS[name];
    const giveUp = () => {
      onGiveUp?.();
      process.exit(end);
    };
    setTimeout(giveUp, STOP_MS).unref();
    let stuckMs = 0;
    const look = () => {
      stuckMs = mayFinish() ? 0 : stuckMs + CHECK_EVERY_MS;
      if (stuckMs >= STUCK_MS) giveUp();
    };
    setInterval(look, CHECK_EVERY_MS).unref();
    controller.abort(new Error(`interrupted by ${name}`));
  };
  const [onInt, onTerm] = [() => handle('SIGINT'), () => handle('SIGTERM')];
  process.on('SIGINT', onInt).on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    status: () => status,
    end: () => void process.off('SIGINT', onInt).off('SIGTERM', onTerm),
  };
}
