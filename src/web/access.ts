import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { namesThisServer } from '../lib/net/hosts.js';

/** A viewer sees everything; an operator may change the queues, too. */
export type Role = 'viewer' | 'operator';

export interface Caller {
  role: Role;
  /** How the caller showed its role; `open`: no token is set. */
  by: 'open' | 'bearer' | 'password' | 'session';
}

export interface AccessOptions {
  /** Without one of the two, everyone who names this server by a name of its own is a viewer. */
  viewerToken: string | null;
  operatorToken: string | null;
  /** Names besides the loopback ones and the address itself. */
  allowHosts: readonly string[];
}

export interface Access {
  /** The caller's role; `host`: by a name that is not this server's; `token`: without a valid token. */
  check(request: Pick<IncomingMessage, 'headers' | 'socket'>): Caller | 'host' | 'token';
  /** A session for a valid token; null for any other text. */
  session(token: string): { role: Role; cookie: string } | null;
}

const COOKIE = 'asg_ingest_session';
const SESSION_SECONDS = 12 * 60 * 60;

export function createAccess({ viewerToken, operatorToken, allowHosts }: AccessOptions): Access {
  // The operator's token is compared first: it wins when both tokens are the same.
  const tokens = [['operator', operatorToken] as const, ['viewer', viewerToken] as const].filter(
    (pair): pair is [Role, string] => pair[1] !== null,
  );
  // Compares all tokens, so the time does not show which one matched.
  const roleOf = (text: string) =>
    tokens.map(([role, token]) => (same(text, token) ? role : null)).find((role) => role !== null) ?? null;

  function sessionRole(cookie: string): Role | null {
    const [role = '', expires = ''] = cookie.split('.');
    if (!(Number(expires) > Date.now() / 1000)) return null;
    const token = tokens.find(([name]) => name === role)?.[1];
    return token !== undefined && same(cookie, sealed(role, expires, token)) ? (role as Role) : null;
  }

  return {
    check(request) {
      if (tokens.length === 0)
        return namesThisServer(request, allowHosts) ? { role: 'viewer', by: 'open' } : 'host';
      const { authorization, cookie } = request.headers;
      for (const [by, text] of shown(authorization)) {
        const role = roleOf(text);
        if (role !== null) return { role, by };
      }
      const role = sessionRole(cookieOf(cookie));
      return role === null ? 'token' : { role, by: 'session' };
    },
    session(token) {
      const role = roleOf(token);
      if (role === null) return null;
      const value = sealed(
        role,
        String(Math.floor(Date.now() / 1000) + SESSION_SECONDS),
        tokens.find(([name]) => name === role)?.[1] ?? '',
      );
      return { role, cookie: `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict` };
    },
  };
}

/**
 * Role and expiry of a session, signed with the role's token. The session survives a restart of the process, and ends
 * when the token changes.
 */
const sealed = (role: string, expires: string, token: string) =>
  `${role}.${expires}.${createHmac('sha256', token).update(`${COOKIE} ${role} ${expires}`).digest('base64url')}`;

function* shown(authorization = ''): Iterable<['bearer' | 'password', string]> {
  const [scheme = '', value = ''] = authorization.split(/ +/, 2);
  if (/^bearer$/i.test(scheme)) yield ['bearer', value];
  if (!/^basic$/i.test(scheme)) return;
  const pair = Buffer.from(value, 'base64').toString();
  if (pair.includes(':')) yield ['password', pair.slice(pair.indexOf(':') + 1)];
}

const cookieOf = (header = '') =>
  header
    .split(/; */)
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1) ?? '';

/** Compares in constant time. */
function same(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => createHash('sha256').update(text).digest()) as [
    Buffer,
    Buffer,
  ];
  return timingSafeEqual(a, b);
}
