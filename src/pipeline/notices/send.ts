import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { poolTo } from '../../lib/net/proxy.js';
import type { NoticeRequest } from './body.js';

const TIMEOUT_MS = 10_000;
const TRIES = 8;
const FIRST_WAIT_MS = 1_000;
const MOST_WAIT_MS = 60_000;

export interface SendOptions {
  signal: AbortSignal;
  /** The wait before the second try, ms; it doubles, to a minute at most. Default 1,000. */
  firstWaitMs?: number;
}

/**
 * Sends a notice until the receiver accepts it (2xx): up to eight tries within about two minutes. Stops at an answer
 * that another try would not change (3xx, or 4xx except 408 and 429).
 *
 * @throws Error that says why it was not taken, without the address: that may be a secret
 */
export async function sendNotice(
  url: string,
  { body, headers }: NoticeRequest,
  { signal, firstWaitMs = FIRST_WAIT_MS }: SendOptions,
): Promise<void> {
  let trouble = '';
  for (let tries = 1; tries <= TRIES; tries += 1) {
    if (tries > 1) {
      const wait = Math.min(firstWaitMs * 2 ** (tries - 2), MOST_WAIT_MS);
      await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal });
    }
    const status = await post(url, body, headers, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      return codeOf(error);
    });
    if (typeof status === 'number' && status >= 200 && status < 300) return;
    trouble = `${status}`;
    if (typeof status === 'number' && status < 500 && status !== 408 && status !== 429) break;
  }
  throw new Error(`a notice was not taken: ${trouble}`);
}

async function post(
  url: string,
  body: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<number> {
  const dispatcher = poolTo(new URL(url).origin, { connections: 1 });
  try {
    const answer = await request(url, {
      ...{ method: 'POST', body, headers, dispatcher },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    answer.body.on('error', () => undefined).destroy();
    return answer.statusCode;
  } finally {
    await dispatcher.destroy();
  }
}

function codeOf(error: unknown): string {
  const { cause, code, name } = error as Error & { code?: string; cause?: { code?: string } };
  return cause?.code ?? code ?? name;
}
