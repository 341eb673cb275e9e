import type { ConnectionOptions } from 'bullmq';
import type { Logger } from 'pino';
import type { Budget } from '../budget/index.js';
import type { ASGGatewayClient } from '../gateway/client.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import type { Metrics } from '../metrics/metrics.js';
import type { RedisClient } from '../redis/connection.js';
import type { Sink } from '../results/sink.js';
import type { ReadForecast } from '../results/write-summary.js';
import type { ConcurrencyLimit } from './concurrency-limit.js';

/** The parts that the consumers of a process share between its runs. */
export interface ConsumerContext {
  redis: RedisClient;
  /** For BullMQ, which opens its own connections. */
  connection: ConnectionOptions;
  prefix: string;
  client: ASGGatewayClient;
  budget: Budget;
  keyFingerprint: string;
  concurrencyLimit: ConcurrencyLimit;
  /** Most Gateway calls of this process in flight. */
  concurrency: number;
  /** S3 and Google Cloud Storage, for manifests and results. */
  objectStores: ObjectStores;
  /** The address to which the Gateway delivers results; null: lines settle by polling. */
  webhooks: { callbackUrl: string } | null;
  /** A sink of your own for a run's `out`. Default: `openSink`, of directories, S3 and Google Cloud Storage. */
  openSink?: (out: string) => Sink;
  /** How a run is going to end, or has ended: for its summary. */
  forecast: ReadForecast;
  metrics: Metrics;
  log: Logger;
}
