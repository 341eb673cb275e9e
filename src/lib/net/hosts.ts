import type { IncomingMessage } from 'node:http';

/** A Host header's name: without its port, in lower case; IPv6 without its brackets. Null when there is none. */
export function hostNameOf(header: string | undefined): string | null {
  const url = `http://${header ?? ''}`;
  if (!header || !URL.canParse(url)) return null;
  const { hostname, username, pathname, search, hash } = new URL(url);
  if (username !== '' || pathname !== '/' || search !== '' || hash !== '') return null;
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|::1)$/;

export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/**
 * Whether a request names this server by its own name: a loopback name, the address of the connection, or one of
 * `allowed`. A web page whose name was made to lead here (DNS rebinding) comes with its own name.
 */
export function namesThisServer(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  allowed: readonly string[],
): boolean {
  const host = hostNameOf(headers.host);
  if (host === null) return false;
  const own = socket.localAddress?.replace(/^::ffff:/, '');
  return isLoopback(host) || host === own || allowed.some((name) => hostNameOf(name) === host);
}

/** Whether a request comes from a page of this server, or from no page. Another port is another server. */
export function isOwnPage({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  if (origin === undefined) return true;
  const own = `http://${host}`;
  return URL.canParse(origin) && URL.canParse(own) && new URL(origin).host === new URL(own).host;
}
