import type { ConnectionOptions } from 'bullmq';
import type { Logger } from 'pino';
import type { Budget } from '../budget/index.js';
import type { ConcurrencyLimit } from '../consumers/concurrency-limit.js';
import type { ASGGatewayClient } from '../gateway/client.js';
import type { ObjectStores } from '../lib/object-stores/index.js';
import type { Waits } from '../lib/waits.js';
import type { Metrics } from '../metrics/metrics.js';
import type { RedisClient } from '../redis/connection.js';
import type { Sink } from '../results/sink.js';

/** What a process shares between its runs. Made by `openPipeline`; every stage takes what it needs of it. */
export interface Pipeline {
  redis: RedisClient;
  /** For BullMQ, which opens its own connections. */
  connection: ConnectionOptions;
  prefix: string;
  client: ASGGatewayClient;
  budget: Budget;
  /** The Gateway's origin, `sandbox` for the local one. */
  origin: string;
  keyFingerprint: string;
  concurrencyLimit: ConcurrencyLimit;
  concurrency: number;
  /** S3 and Google Cloud Storage, for manifests and results. */
  objectStores: ObjectStores;
  /** Where the Gateway delivers what has settled; null: lines settle by polling. */
  webhooks: { callbackUrl: string } | null;
  /** A sink of your own for a run's `out`. Default: `openSink`, of directories, S3 and Google Cloud Storage. */
  openSink?: (out: string) => Sink;
  metrics: Metrics;
  /** What this process waits for outside of it; the display shows it. */
  waits?: Waits;
  log: Logger;
}
