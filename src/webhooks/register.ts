import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BudgetPausedError } from '../budget/index.js';
import { ASGGatewayHTTPError, ASGNetworkError, ASGTimeoutError } from '../gateway/errors.js';
import type { CallOptions, Webhook } from '../gateway/types.js';
import { IngestError } from '../lib/errors.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { retryTemporaryErrors } from '../redis/temporary-errors.js';
import { webhookLockKey } from '../runs/keys.js';
import { releaseLock } from '../runs/lease.js';

const EVENT = 'task.settled';
const LOCK_MS = 60_000;
const LOOK_FOR_LOCK_MS = 100;
/** How long an unreachable Gateway is tried again, ms. Then the start fails, and nothing has been sent. */
const TRY_FOR_MS = 60_000;
const RETRY_MS = 1_000;

/**
 * Makes sure that a webhook with this URL is registered, once: of several processes that start together one registers,
 * the others find what it made.
 *
 * @throws IngestError `webhook` when the one that is registered would deliver nothing
 */
export async function ensureRegistered(
  pipeline: Pipeline,
  callbackUrl: string,
  secret: string,
  signal: AbortSignal,
): Promise<void> {
  const { redis, prefix, keyFingerprint, origin, client, log } = pipeline;
  const key = webhookLockKey(prefix, keyFingerprint, origin);
  const token = randomBytes(8).toString('hex');
  while ((await retryTemporaryErrors(() => redis.set(key, token, 'PX', LOCK_MS, 'NX'), { signal })) === null)
    await sleep(LOOK_FOR_LOCK_MS, undefined, { signal });
  try {
    const list = await callGateway(pipeline, signal, (options) => client.listWebhooks(options));
    const known = list.filter(({ callback_url }) => callback_url === callbackUrl);
    if (known.some(delivers)) return;
    const [idle] = known;
    if (idle !== undefined)
      throw new IngestError(
        'webhook',
        `webhook ${idle.webhook_id} of ${callbackUrl} does not deliver ${EVENT}`,
        {
          hint: 'delete it, then start again: it is registered again',
        },
      );
    const made = await callGateway(pipeline, signal, (options) =>
      client.registerWebhook({ callback_url: callbackUrl, secret, events: [EVENT] }, options),
    );
    log.info({ webhook: made.webhook_id, callback_url: callbackUrl }, 'webhook registered');
  } finally {
    await retryTemporaryErrors(() => releaseLock(redis, key, token), { signal });
  }
}

const delivers = ({ active, events }: Webhook) => active !== false && (events?.includes(EVENT) ?? true);

/** A call with a slot of the key's budget, made again while the Gateway is away or too busy. */
async function callGateway<T>(
  { budget, metrics }: Pipeline,
  signal: AbortSignal,
  make: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + TRY_FOR_MS;
  for (;;) {
    try {
      const slot = await budget.acquire('submit', { signal });
      try {
        return await make({
          signal,
          onCall(call) {
            slot.report(call);
            metrics.call(call);
          },
        });
      } finally {
        slot.release();
      }
    } catch (error) {
      if (Date.now() > deadline || !isPassing(error)) throw error;
      const pausedMs = error instanceof BudgetPausedError ? error.resumeAt - Date.now() : RETRY_MS;
      await sleep(Math.max(pausedMs, 1), undefined, { signal });
    }
  }
}

const isPassing = (error: unknown) =>
  error instanceof BudgetPausedError ||
  error instanceof ASGNetworkError ||
  error instanceof ASGTimeoutError ||
  (error instanceof ASGGatewayHTTPError && (error.statusCode === 429 || error.statusCode >= 500));
