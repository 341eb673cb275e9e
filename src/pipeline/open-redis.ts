import type { Logger } from 'pino';
import type { Settings } from '../config/index.js';
import type { RedisTarget } from '../redis/address.js';
import { openEmbeddedRedis } from '../redis/embedded.js';

type RedisSettings = Pick<Settings, 'redisUrl' | 'dataDir'>;

/** The Redis of `--redis-url`, else the embedded one. `onClose` receives the function that leaves the embedded one. */
export async function openRedisTarget(
  settings: RedisSettings,
  log: Logger,
  onClose: (close: () => Promise<void>) => void,
  onStarted: () => void = () => undefined,
): Promise<RedisTarget> {
  const url = settings.redisUrl?.reveal();
  if (url) return { url };
  const { socketPath, close } = await openEmbeddedRedis(settings.dataDir, { log, onStarted });
  onClose(close);
  return { socketPath };
}

/**
 * Opens Redis and loads modules at the same time: the embedded one replays its log, a second for 60 MB, in a process of
 * its own. Loading begins once that process runs, since it leaves the event loop little time.
 */
export async function openRedisWhileLoading<T>(
  load: () => Promise<T>,
  settings: RedisSettings,
  log: Logger,
  onClose: (close: () => Promise<void>) => void,
): Promise<[RedisTarget, T]> {
  let loading: Promise<T> | undefined;
  const begin = () => {
    loading ??= load();
    return loading;
  };
  const target = await openRedisTarget(settings, log, onClose, begin);
  return [target, await begin()];
}
