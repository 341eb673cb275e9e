import type { RedisOptions } from 'ioredis';
import { usageError } from '../errors.js';

/**
 * A URL or the path of a Unix socket. URLs: `redis:`, `rediss:` (TLS), `unix:`, `redis+unix:`, and for a Redis Cluster
 * `redis+cluster:`, `rediss+cluster:`.
 */
export interface RedisTarget {
  url?: string;
  socketPath?: string;
}

export interface ClusterNode {
  host: string;
  port: number;
}

export interface RedisAddress {
  /** Nodes to ask for the others; absent: one server. */
  cluster?: ClusterNode[];
  /** The server; of a cluster what is common to all nodes. */
  server: RedisOptions;
}

const DEFAULT_PORT = 6379;

/**
 * Where the Redis is that a target names.
 *
 * @throws IngestError `usage` for a URL that cannot be used. It never repeats the URL, which may hold a password.
 */
export function addressOf({ url, socketPath }: RedisTarget): RedisAddress {
  if (socketPath !== undefined) return { server: { path: socketPath } };
  if (url === undefined) throw usageError('--redis-url', 'is missing');
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'redis+cluster:' || parsed?.protocol === 'rediss+cluster:')
    return { cluster: clusterNodes(parsed), server: clusterServer(parsed) };
  return { server: serverAddress(parsed) };
}

function serverAddress(parsed: URL | undefined): RedisOptions {
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
        hint: 'rediss:// speaks TLS; redis+cluster://host:port is a Redis Cluster; unix:///path/to/redis.sock?db=0 is a Unix socket.',
      });
  }
}

/** The node of the URL, and those of its `addr` parameters (as go-redis has them); each tells of all the others. */
function clusterNodes(url: URL): ClusterNode[] {
  const more = url.searchParams.getAll('addr').map((addr) => `redis://${addr}`);
  return [`redis://${url.host}`, ...more].map((text) => {
    const node = URL.canParse(text) ? new URL(text) : undefined;
    if (!node?.hostname)
      throw usageError('--redis-url', 'must look like redis+cluster://host:port[?addr=host2:port2&addr=…]');
    const { host, port } = networkAddress(node);
    return { host: host ?? '', port: port ?? DEFAULT_PORT };
  });
}

function clusterServer(url: URL): RedisOptions {
  if (database(url.pathname.slice(1)).db)
    throw usageError('--redis-url', 'a Redis Cluster has the database 0 only; leave it out');
  return { ...credentials(url), ...(url.protocol === 'rediss+cluster:' ? { tls: {} } : {}) };
}

function networkAddress(url: URL): RedisOptions {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host: host === '' ? '127.0.0.1' : host,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
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
