import type { SandboxContext } from './context.js';
import { createKeyring, registerCustomer } from './endpoints/customers.js';
import { failure, type Reply } from './http.js';
import { happens } from './random.js';
import type { RateLimit } from './rate-limit.js';
import { findPath } from './routes.js';
import type { Counters } from './stats.js';

export interface Asked {
  method: string;
  path: string;
  search: string;
  authorization: string | undefined;
  /** The body as sent, null when it was too large. */
  text: string | null;
}

export interface Answered {
  operation: string;
  /** `reset` when the connection is to be cut. */
  reply: Reply | 'reset';
}

const INVALID_KEY = failure(401, 'invalid API key');
const TOO_LARGE = failure(413, 'body too large');

/** Decides over one call under `/v1`, in the order: faults, key, limit, path, body, endpoint. */
export function createRequestHandler(
  world: SandboxContext,
  limit: RateLimit,
  counters: Counters,
  random: () => number,
) {
  const customerOf = createKeyring(world);
  const { options } = world;

  return ({ method, path, search, authorization, text }: Asked): Answered => {
    const registers = method === 'POST' && path === '/v1/customers';
    const found = findPath(path);
    const route = found?.methods[method];
    const operation = registers ? 'customer_register' : (route?.operation ?? 'other');
    const answered = (reply: Reply | 'reset'): Answered => ({ operation, reply });

    if (happens(options.resetBefore, random)) return answered('reset');
    if (registers) {
      if (happens(options.errorRate, random)) return answered(failure(500, 'internal error'));
      const body = parse(text);
      return answered('reply' in body ? body.reply : registerCustomer(world, body.value));
    }
    const customer = customerOf(authorization);
    if (customer === null) return answered(INVALID_KEY);
    const waitMs = limit.take(customer);
    const headers = limit.headers(customer, waitMs);
    const limited = (reply: Reply): Answered =>
      answered(headers === undefined ? reply : { ...reply, headers: { ...reply.headers, ...headers } });

    if (waitMs > 0) return limited(failure(429, 'rate limit exceeded'));
    counters.letThrough();
    if (happens(options.errorRate, random)) return limited(failure(500, 'internal error'));
    if (found === null) return limited(failure(404, 'not found'));
    if (route === undefined) return limited(notAllowed(Object.keys(found.methods)));
    const body = method === 'POST' ? parse(text) : { value: undefined };
    if ('reply' in body) return limited(body.reply);
    return limited(route.endpoint(world, { customer, body: body.value, search, id: found.id }));
  };
}

const notAllowed = (methods: string[]): Reply => ({
  ...failure(405, 'method not allowed'),
  headers: { allow: methods.join(', ') },
});

function parse(text: string | null): { value: unknown } | { reply: Reply } {
  if (text === null) return { reply: TOO_LARGE };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { reply: failure(400, 'the body is not JSON') };
  }
}
