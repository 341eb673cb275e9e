import { Cluster } from 'ioredis';
import { duplicateOf, type RedisClient, SILENT_MS } from './connection.js';

const CHECK_EVERY_MS = 5_000;

/**
 * Subscribes to a channel over a connection of its own, which is opened again whenever it is lost. Messages sent
 * meanwhile have to be learned in another way.
 *
 * @returns ends it
 */
export async function subscribe(
  redis: RedisClient,
  channel: string,
  onMessage: (message: string) => void,
): Promise<() => void> {
  const subscriber: RedisClient = duplicateOf(redis);
  subscriber.on('error', () => undefined);
  subscriber.on('message', (_channel, message) => onMessage(message));
  await subscriber.subscribe(channel);
  const stop = subscriber instanceof Cluster ? subscribeAgain(subscriber, channel) : () => undefined;
  return () => {
    stop();
    subscriber.disconnect();
  };
}

/**
 * A cluster client listens on a connection without `socketTimeout`, which no PING reaches. Subscribing again changes
 * nothing and needs an answer on that connection. So it shows whether the connection is alive.
 */
function subscribeAgain(cluster: Cluster, channel: string): () => void {
  let askedAt: number | null = null;
  const answered = () => {
    askedAt = null;
  };
  const timer = setInterval(() => {
    if (cluster.status !== 'ready') return;
    if (askedAt === null) {
      askedAt = performance.now();
      cluster.subscribe(channel).then(answered, answered);
    } else if (performance.now() - askedAt >= SILENT_MS) {
      askedAt = null;
      cluster.disconnect(true);
    }
  }, CHECK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
