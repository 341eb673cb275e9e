import { getProxyForUrl } from 'proxy-from-env';
import { Agent, type buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';

/**
 * The proxy that the environment names for a URL: `HTTP_PROXY` for http, `HTTPS_PROXY` for https, else `ALL_PROXY`,
 * unless `NO_PROXY` has its host; lower case outranks upper case, and what is empty is not set. Null: none.
 *
 * @throws Error when the proxy's URL is none of http or https
 */
export function proxyFor(url: string | URL): URL | null {
  const found = getProxyForUrl(String(url));
  if (found === '') return null;
  const proxy = URL.canParse(found) ? new URL(found) : null;
  if (proxy !== null && /^https?:$/.test(proxy.protocol)) return proxy;
  throw new Error('HTTP_PROXY or HTTPS_PROXY is not a URL that begins with http:// or https://');
}

/** A proxy for people: without its login. */
export const shownProxy = (proxy: URL) => `${proxy.protocol}//${proxy.host}`;

export interface ConnectionOptions {
  /** Most connections to one server. */
  connections: number;
  /** ms; 0: no limit. */
  headersTimeout?: number;
  bodyTimeout?: number;
  keepAliveTimeout?: number;
  /** Makes the connections that go by no proxy. */
  connect?: buildConnector.connector;
  /** Never by a proxy: the server belongs to this process, or no proxy may lead to it. */
  direct?: boolean;
}

/** Connections to one origin, by the proxy that is meant for it. */
export function poolTo(
  origin: string | URL,
  { direct = false, connect, ...options }: ConnectionOptions,
): Dispatcher {
  const proxy = direct ? null : proxyFor(origin);
  const pooling = { pipelining: 1, ...options };
  if (proxy === null) return new Pool(origin, { ...pooling, ...(connect && { connect }) });
  // As curl and browsers do: http is asked of the proxy by its whole URL, https goes through a tunnel.
  return new ProxyAgent({ uri: proxy.href, proxyTunnel: false, ...pooling });
}

/** The same for all servers, also a redirection's. */
export const poolToAny = (options: ConnectionOptions): Dispatcher =>
  new Agent({ factory: (origin) => poolTo(origin, options) });
