import type { ConnectionOptions } from 'bullmq';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { addressOf, type RedisAddress, type RedisTarget } from './address.js';
import { keepAlive } from './keep-alive.js';

export type { RedisTarget } from './address.js';

/** One server or a cluster: the commands are the same, but keys of one call must share a hash tag. */
export type RedisClient = Redis | Cluster;

/**
 * A connection without an answer for this time is dead, even if it is still open (a NAT that forgot it, a lost
 * machine). Another one is opened. No command blocks for longer: BullMQ's waits are 10 s at most.
 */
export const SILENT_MS = 15_000;
const MAX_RETRY_DELAY_MS = 2000;
/** A cluster replaces a lost master after its `cluster-node-timeout`, 15 s by default: commands wait longer than that. */
const FAILOVER_RETRY_MS = 300;
const FAILOVER_RETRIES = 200;

const retryDelay = (attempt: number) => Math.min(attempt * 200, MAX_RETRY_DELAY_MS);

/**
 * Connection options of a server that outlive a restart or a failover of Redis. Commands wait for the connection to
 * come back (BullMQ asks for that). A node that has become a replica (READONLY) is left, and the command is sent again.
 *
 * @throws IngestError `usage` for a URL that cannot be used
 */
export const redisOptions = (target: RedisTarget): RedisOptions => serverOptions(addressOf(target));

const serverOptions = ({ server }: RedisAddress): RedisOptions => ({
  ...server,
  maxRetriesPerRequest: null,
  retryStrategy: retryDelay,
  reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  keepAlive: 10_000,
  socketTimeout: SILENT_MS,
});

/** The same for a cluster: a master that is lost or has moved is awaited, and its slots are looked up again. */
function clusterOptions(address: RedisAddress): ClusterOptions {
  const { retryStrategy: _perNode, ...redisOptions } = serverOptions(address);
  return {
    redisOptions,
    clusterRetryStrategy: retryDelay,
    maxRedirections: FAILOVER_RETRIES,
    retryDelayOnFailover: FAILOVER_RETRY_MS,
    retryDelayOnClusterDown: FAILOVER_RETRY_MS,
    retryDelayOnTryAgain: FAILOVER_RETRY_MS,
    // The host name is not resolved here, so that TLS can check it against the node's certificate.
    ...(redisOptions.tls ? { dnsLookup: (name, done) => done(null, name) } : {}),
  };
}

/** A connection that always reconnects. `onError` gets its connection errors, which never crash the process. */
export function connectRedis(target: RedisTarget, onError: (error: Error) => void = () => {}): RedisClient {
  const address = addressOf(target);
  const redis = address.cluster
    ? waitForReopening(new Cluster(address.cluster, clusterOptions(address)))
    : new Redis(serverOptions(address));
  redis.on('error', onError);
  return withKeepAlive(redis);
}

/** The states of a cluster client that has lost all its nodes and was not closed on purpose. */
const REOPENING = new Set(['close', 'reconnecting', 'connecting', 'connect']);

/**
 * ioredis sends a cluster's command again when one node's connection closes, but fails it when those of all nodes
 * have. Then this waits for them to open again, as with one server. A cluster closed on purpose still fails commands.
 */
function waitForReopening(cluster: Cluster): Cluster {
  const { handleError } = cluster;
  cluster.handleError = (error, ttl, handlers) => {
    if (error.message === 'Connection is closed.' && REOPENING.has(cluster.status))
      handlers.connectionClosed();
    else handleError.call(cluster, error, ttl, handlers);
  };
  return cluster;
}

/** Another connection to the same place. */
export const duplicateOf = (redis: RedisClient): RedisClient =>
  withKeepAlive(redis instanceof Cluster ? waitForReopening(redis.duplicate()) : redis.duplicate());

function withKeepAlive<T extends RedisClient>(redis: T): T {
  redis.once('end', keepAlive(redis));
  return redis;
}

/**
 * BullMQ's connection: options for a server, for which it opens its own connections; a client for a cluster, which
 * its queues and workers share, and which `close` closes.
 */
export function bullConnection(target: RedisTarget): { connection: ConnectionOptions; close(): void } {
  if (!addressOf(target).cluster)
    return { connection: redisOptions(target) as ConnectionOptions, close: () => {} };
  const cluster = connectRedis(target);
  // Every queue and worker adds listeners.
  cluster.setMaxListeners(0);
  return { connection: cluster as unknown as ConnectionOptions, close: () => cluster.disconnect() };
}
