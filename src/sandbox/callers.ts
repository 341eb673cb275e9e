import type { IncomingMessage } from 'node:http';
import { isLoopback, isOwnPage, namesThisServer } from '../lib/net/hosts.js';
import type { SandboxOptions } from './options.js';

export interface Callers {
  /** Why a caller is not answered at all; null when it is. */
  refusal(request: IncomingMessage): string | null;
  /** The same for callers of the Gateway's control. */
  controlRefusal(request: IncomingMessage): string | null;
}

const NAME = 'not a name of this server: use localhost or its address';

/**
 * The allowed callers: programs, never a page in a browser. A page is known by its origin, and by a name that leads
 * here. Only a Gateway that listens to other machines may be called by other names.
 */
export function createCallers({ host, control }: Pick<SandboxOptions, 'host' | 'control'>): Callers {
  const alone = isLoopback(host);
  // Nearly all calls carry the same name.
  let known: string | undefined;

  function ownName(request: IncomingMessage): boolean {
    if (alone && known !== undefined && request.headers.host === known) return true;
    const own = namesThisServer(request, []);
    if (own) known = request.headers.host;
    return own;
  }

  return {
    refusal(request) {
      if (!isOwnPage(request)) return 'not from a web page';
      return alone && !ownName(request) ? NAME : null;
    },
    controlRefusal(request) {
      if (!control) return 'the control is off: start it with --control';
      if (!ownName(request)) return NAME;
      const isJson = /^application\/json *(;|$)/i.test(request.headers['content-type'] ?? '');
      return request.method === 'GET' || isJson ? null : 'the content type must be application/json';
    },
  };
}
