import { type IngestError, usageError } from '../lib/errors.js';
import type { RedisClient } from './connection.js';

/** Errors that another try does not change, by the start of their code or message, each with what to do. */
const FINAL: readonly { is: RegExp; hint: string }[] = [
  {
    is: /^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH|ERR Client sent AUTH|ERR wrong number of arguments for 'auth')/,
    hint: 'check user and password: redis://user:password@host (with : before a password without user; % as %25)',
  },
  {
    is: /^NOPERM/,
    hint: 'give the ACL user its keys (~<prefix>:* ~{<prefix>:*) and the commands of docs/operations.md, "A Redis user of its own"',
  },
  { is: /^ERR (DB index|invalid DB)/, hint: 'check the number of the database at the end of --redis-url' },
  {
    is: /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+)$/,
    hint: 'name the file of its authority with --ca (or NODE_EXTRA_CA_CERTS)',
  },
  { is: /^ERR_TLS_CERT_ALTNAME_INVALID$/, hint: 'use the name that is in the certificate' },
  { is: /^(ERR_SSL_\w+|EPROTO)$/, hint: 'it speaks no TLS at this port: redis:// instead of rediss://?' },
];

/**
 * Resolves once Redis has answered. A server that does not answer is waited for, however long; one that refuses is not.
 *
 * @throws IngestError `usage` with what it said
 */
export async function firstAnswer(redis: RedisClient, probeKey: string): Promise<void> {
  await untilReady(redis);
  // A probe with a script and a key, since the pipeline needs both.
  await redis.eval("return redis.call('EXISTS', KEYS[1])", 1, probeKey).catch((error: Error) => {
    const refusal = refusalOf(error);
    if (refusal !== null) throw refusal;
  });
}

function untilReady(redis: RedisClient): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      redis.off('ready', ready).off('error', failed);
      settle();
    };
    const ready = () => end(resolve);
    const failed = (error: Error) => {
      const refusal = refusalOf(error);
      if (refusal !== null) end(() => reject(refusal));
    };
    redis.on('ready', ready).on('error', failed);
  });
}

/** The error for people, when another try does not change it. */
function refusalOf(error: unknown): IngestError | null {
  const {
    message = '',
    code = '',
    lastNodeError,
  } = (error ?? {}) as {
    message?: string;
    code?: string;
    lastNodeError?: unknown;
  };
  // A cluster's error holds only the error of its last node.
  if (lastNodeError) return refusalOf(lastNodeError);
  const found = FINAL.find(({ is }) => is.test(message) || is.test(code));
  if (found === undefined) return null;
  return usageError('--redis-url', `Redis refuses: ${message}`, { hint: found.hint, cause: error });
}
