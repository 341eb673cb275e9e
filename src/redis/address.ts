import { isIP } from 'node:net';
import type { RedisOptions } from 'ioredis';
import { usageError } from '../lib/errors.js';

/**
 * A URL or the path of a Unix socket. URLs: `redis:`, `rediss:` (TLS), `unix:`, `redis+unix:`, for a Redis Cluster
 * `redis+cluster:`, `rediss+cluster:`, and for a master that Sentinels know `redis+sentinel:`, `rediss+sentinel:`.
 */
export interface RedisTarget {
  url?: string;
  socketPath?: string;
}

export interface RedisNode {
  host: string;
  port: number;
}

export interface RedisAddress {
  /** Some nodes of a cluster, which name the others; absent: a single server. */
  cluster?: RedisNode[];
  /** The server; of a cluster what is common to all nodes. */
  server: RedisOptions;
}

const DEFAULT_PORT = 6379;
const SENTINEL_PORT = 26_379;

export const REDIS_PROTOCOLS = [
  ...['redis:', 'rediss:', 'redis+cluster:', 'rediss+cluster:', 'redis+sentinel:', 'rediss+sentinel:'],
  ...['unix:', 'redis+unix:'],
];

/**
 * Rewrites several hosts separated by commas, as Sentinels and clusters are often written, to one host with `addr`
 * parameters.
 */
export function withOneHost(text: string): string {
  const [, scheme, login = '', hosts = '', rest = ''] =
    /^(rediss?\+(?:sentinel|cluster):\/\/)([^@/?#]*@)?([^/?#]*)(.*)$/i.exec(text) ?? [];
  const [first = '', ...more] = hosts.split(',');
  if (scheme === undefined || more.length === 0) return text;
  const separator = rest.includes('?') ? '&' : '?';
  return `${scheme}${login}${first}${rest}${separator}${more.map((host) => `addr=${host.trim()}`).join('&')}`;
}

/**
 * The place of the Redis that a target names.
 *
 * @throws IngestError `usage` for a URL that cannot be used. It never repeats the URL, which may hold a password.
 */
export function addressOf({ url, socketPath }: RedisTarget): RedisAddress {
  if (socketPath !== undefined) return { server: { path: socketPath } };
  if (url === undefined) throw usageError('--redis-url', 'is missing');
  const text = withOneHost(url);
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed?.protocol === 'redis+cluster:' || parsed?.protocol === 'rediss+cluster:')
    return { cluster: nodesOf(parsed, DEFAULT_PORT), server: clusterServer(parsed) };
  return { server: serverAddress(parsed) };
}

function serverAddress(parsed: URL | undefined): RedisOptions {
  switch (parsed?.protocol) {
    case 'redis:':
    case 'rediss:':
      return { ...networkAddress(parsed), ...credentials(parsed) };
    case 'redis+sentinel:':
    case 'rediss+sentinel:':
      return sentinelAddress(parsed);
    case 'unix:':
    case 'redis+unix:':
      return {
        path: decoded(parsed.pathname),
        ...database(parsed.searchParams.get('db')),
        ...credentials(parsed),
      };
    default:
      throw usageError('--redis-url', 'must look like redis://[[user]:password@]host[:port][/db]', {
        hint: 'rediss:// speaks TLS; redis+cluster://host:port is a Redis Cluster; redis+sentinel://host:port,host2:port/name a master that Sentinels know; unix:///path/to/redis.sock?db=0 is a Unix socket.',
      });
  }
}

/** The node of the URL, and those of its `addr` parameters (as go-redis has them); each names all the others. */
function nodesOf(url: URL, defaultPort: number): RedisNode[] {
  const more = url.searchParams.getAll('addr').map((addr) => `redis://${addr}`);
  return [`redis://${url.host}`, ...more].map((text) => {
    const node = URL.canParse(text) ? new URL(text) : undefined;
    if (!node?.hostname)
      throw usageError('--redis-url', `must look like ${url.protocol}//host:port[,host2:port2…]`);
    return { host: hostOf(node), port: node.port === '' ? defaultPort : Number(node.port) };
  });
}

function clusterServer(url: URL): RedisOptions {
  if (database(url.pathname.slice(1)).db)
    throw usageError('--redis-url', 'a Redis Cluster has the database 0 only; leave it out');
  return { ...credentials(url), ...(url.protocol === 'rediss+cluster:' ? { tls: {} } : {}) };
}

/** `redis+sentinel://[[user]:password@]a[:26379],b/name[/db][?sentinel-user=…&sentinel-password=…]` */
function sentinelAddress(url: URL): RedisOptions {
  const [name = '', db = null] = decoded(url.pathname.slice(1)).split('/');
  if (name === '')
    throw usageError(
      '--redis-url',
      'the name of the master is missing: redis+sentinel://host:port,host2:port/name',
    );
  const sentinelUsername = url.searchParams.get('sentinel-user');
  const sentinelPassword = url.searchParams.get('sentinel-password');
  return {
    sentinels: nodesOf(url, SENTINEL_PORT),
    name,
    ...database(db ?? url.searchParams.get('db')),
    ...credentials(url),
    ...(sentinelUsername === null ? {} : { sentinelUsername }),
    ...(sentinelPassword === null ? {} : { sentinelPassword }),
    ...(url.protocol === 'rediss+sentinel:'
      ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }
      : {}),
  };
}

function networkAddress(url: URL): RedisOptions {
  const host = hostOf(url);
  return {
    host: host === '' ? '127.0.0.1' : host,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    ...database(url.pathname.slice(1) || url.searchParams.get('db')),
    // An address is no server name (RFC 6066), and Node warns of one that is given.
    ...(url.protocol === 'rediss:' ? { tls: isIP(host) === 0 ? { servername: host } : {} } : {}),
  };
}

const hostOf = (url: URL) => url.hostname.replace(/^\[(.*)\]$/, '$1');

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
