import { Redis, type RedisOptions } from 'ioredis';
import { usageError } from '../errors.js';

/** Where a Redis is: a URL (`redis:`, `rediss:`, `unix:`, `redis+unix:`) or the path of a Unix socket. */
export interface RedisTarget {
  url?: string;
  socketPath?: string;
}

const MAX_RETRY_DELAY_MS = 2000;

/**
 * Connection options that outlive a restart or a failover of Redis: commands wait for the connection to come back
 * (BullMQ asks for that), and a node that has become a replica (READONLY) is left and the command sent again.
 *
 * @throws IngestError `usage` for a URL that cannot be used. It never repeats the URL, which may hold a password.
 */
export function redisOptions(target: RedisTarget): RedisOptions {
  return {
    ...addressOf(target),
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(attempt * 200, MAX_RETRY_DELAY_MS),
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
    keepAlive: 10_000,
  };
}

/** A connection that reconnects for ever; its connection errors are told to `onError` and never crash the process. */
export function connectRedis(target: RedisTarget, onError: (error: Error) => void = () => {}): Redis {
  const redis = new Redis(redisOptions(target));
  redis.on('error', onError);
  return redis;
}

function addressOf({ url, socketPath }: RedisTarget): RedisOptions {
  if (socketPath !== undefined) return { path: socketPath };
  if (url === undefined) throw usageError('--redis-url', 'is missing');
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  switch (parsed?.protocol) {
    case 'redis:':
    case 'rediss:':
      return { ...networkAddress(parsed), ...credentials(parsed) };
    case 'unix:':
    case 'redis+unix:':
      return {
        path: decoded(parsed.pathname),
        ...database(parsed.searchParams.get('db')),
        ...credentials(parsed),
      };
    default:
      throw usageError('--redis-url', 'must look like redis://[[user]:password@]host[:port][/db]', {
        hint: 'rediss:// speaks TLS; unix:///path/to/redis.sock?db=0 is a Unix socket.',
      });
  }
}

function networkAddress(url: URL): RedisOptions {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host: host === '' ? '127.0.0.1' : host,
    port: url.port === '' ? 6379 : Number(url.port),
    ...database(url.pathname.slice(1) || url.searchParams.get('db')),
    ...(url.protocol === 'rediss:' ? { tls: { servername: host } } : {}),
  };
}

function credentials(url: URL): RedisOptions {
  const username = decoded(url.username);
  const password = decoded(url.password);
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function database(text: string | null): RedisOptions {
  if (text === null || text === '') return {};
  if (!/^\d{1,5}$/.test(text))
    throw usageError('--redis-url', 'the database must be a number, as in redis://host:6379/0');
  return { db: Number(text) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usageError('--redis-url', 'has a % that does not begin an escape; write it as %25');
  }
}
