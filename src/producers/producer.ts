import type { Logger } from 'pino';
import type { ObjectStores } from '../lib/object-stores/index.js';
import type { Metrics } from '../metrics/metrics.js';
import type { RunQueues } from '../queues/queues.js';
import type { RedisClient } from '../redis/connection.js';
import type { Earlier } from './since/earlier.js';

/** The parts that put lines into a run's queue: the producer, the sweep and `retry`. */
export interface Producer {
  redis: RedisClient;
  prefix: string;
  queues: RunQueues;
  metrics: Metrics;
  objectStores: ObjectStores;
  /** How many lines a job is to carry now. */
  linesPerChunk(): Promise<number>;
  /** For a run with `--since`. */
  earlier?: Earlier | undefined;
  log: Logger;
}
