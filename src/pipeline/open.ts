import type { ConnectionOptions } from 'bullmq';
import type { Logger } from 'pino';
import { createBudget } from '../budget/index.js';
import type { Settings } from '../config/index.js';
import { createConcurrencyLimit } from '../consumers/concurrency-limit.js';
import { parseBaseUrl } from '../gateway/checks.js';
import { ASGGatewayClient } from '../gateway/client.js';
import { watchReach } from '../gateway/reach.js';
import { usageError } from '../lib/errors.js';
import { withinOpenFiles } from '../lib/net/open-files.js';
import { createObjectStores, type ObjectStores } from '../lib/object-stores/index.js';
import type { Releasers } from '../lib/releasers.js';
import { createWaits, type Waits } from '../lib/waits.js';
import { createMetrics } from '../metrics/metrics.js';
import { forecastReader } from '../plan/forecast/known.js';
import { bullConnection, connectRedis, type RedisClient, type RedisTarget } from '../redis/connection.js';
import { firstAnswer } from '../redis/first-answer.js';
import { retryTemporaryErrors } from '../redis/temporary-errors.js';
import { watchRedis } from '../redis/watch.js';
import { keyFingerprint } from '../runs/identity.js';
import { budgetKey } from '../runs/keys.js';
import { openLocalGateway } from '../sandbox/shared-gateway.js';
import { openRedisTarget } from './open-redis.js';
import type { Pipeline } from './pipeline.js';

export interface Store {
  redis: RedisClient;
  connection: ConnectionOptions;
  objectStores: ObjectStores;
}

const WARN_EVERY_MS = 60_000;

/** Waits for Redis without a limit, and logs at most once a minute that Redis does not answer. */
function redisTrouble(log: Logger): (error: Error) => void {
  let warnAt = 0;
  return (error) => {
    if (Date.now() < warnAt) return;
    warnAt = Date.now() + WARN_EVERY_MS;
    log.warn({ err: error }, 'Redis does not answer, and is waited for');
  };
}

/** Where runs are kept: Redis, and the object stores of their files. */
export async function openStore(
  settings: Settings,
  log: Logger,
  releasers: Releasers,
  opened?: RedisTarget,
): Promise<Store & { waits: Waits }> {
  const target = opened ?? (await openRedisTarget(settings, log, releasers.add));
  const redis = connectRedis(target, redisTrouble(log));
  releasers.add(() => redis.disconnect());
  await firstAnswer(redis, `${settings.prefix}:probe`);
  const waits = createWaits();
  const watch = watchRedis(redis, waits);
  releasers.add(() => watch.close());
  const { connection, close } = bullConnection(target);
  releasers.add(close);
  const objectStores = createObjectStores({ ...settings, waits });
  releasers.add(() => objectStores.close());
  return { redis, connection, objectStores, waits };
}

interface GatewayTarget {
  url: string;
  apiKey: string;
  origin: string;
}

/** The Gateway that the settings name; `--sandbox` starts or joins the local one. */
export async function openGateway(
  settings: Settings,
  log: Logger,
  releasers: Releasers,
): Promise<GatewayTarget> {
  if (settings.sandbox) {
    const local = await openLocalGateway(settings.dataDir, { ...settings.sandboxOptions, log });
    releasers.add(() => local.close());
    return { url: local.url, apiKey: local.apiKey, origin: 'sandbox' };
  }
  const apiKey = settings.apiKey?.reveal();
  if (!apiKey)
    throw usageError('ASG_API_KEY', 'no API key is set', {
      hint: 'export ASG_API_KEY=sk_… (or ASG_API_KEY_FILE=<path>), or use --sandbox for the local Gateway',
    });
  return { url: settings.gatewayUrl, apiKey, origin: originOf(settings) };
}

/** The Gateway's name in a run's record; `--sandbox` is the local one. */
export function originOf({ sandbox, gatewayUrl }: Pick<Settings, 'sandbox' | 'gatewayUrl'>): string {
  if (sandbox) return 'sandbox';
  const { origin, pathname } = parseBaseUrl(gatewayUrl);
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

/**
 * Everything that a process shares between its runs, opened in order. Close it with `releasers.close()`, also after a
 * failure here.
 *
 * @param opened the Redis, where it is open already; by default it is opened here
 * @throws IngestError `usage` when no API key is set, `redis` or `sandbox` when these cannot be started
 */
export async function openPipeline(
  settings: Settings,
  log: Logger,
  releasers: Releasers,
  opened?: RedisTarget,
): Promise<Pipeline> {
  const { redis, connection, objectStores, waits } = await openStore(settings, log, releasers, opened);
  const gateway = await openGateway(settings, log, releasers);
  const concurrency = await withinOpenFiles(settings.concurrency, log);
  const client = new ASGGatewayClient({
    apiKey: gateway.apiKey,
    baseUrl: gateway.url,
    retry: false,
    connections: concurrency,
    direct: settings.sandbox,
    onCall: watchReach(gateway.origin, waits),
  });
  releasers.add(() => client.close());
  const fingerprint = keyFingerprint(gateway.apiKey);
  const metrics = createMetrics({ defaults: true });
  const budget = createBudget({
    redis,
    key: budgetKey(settings.prefix, fingerprint, gateway.origin),
    ...(settings.rate === null ? {} : { rate: settings.rate }),
    quotas: settings.rateQuotas,
    log,
  });
  budget.onPause(({ ms, reason }) => {
    if (reason === 'rate_limited') metrics.backoffSeconds.inc({ reason }, ms / 1000);
  });
  await retryTemporaryErrors(() => budget.start());
  releasers.add(() => budget.close());
  return {
    redis,
    connection,
    prefix: settings.prefix,
    client,
    budget,
    origin: gateway.origin,
    keyFingerprint: fingerprint,
    forecast: forecastReader(redis, settings.prefix),
    concurrencyLimit: createConcurrencyLimit(concurrency),
    concurrency,
    objectStores,
    webhooks: settings.webhookUrl === null ? null : { callbackUrl: settings.webhookUrl },
    metrics,
    waits,
    log,
  };
}
