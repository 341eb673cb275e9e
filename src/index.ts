/**
 * The Gateway client, and the pipeline's parts for a service that embeds them.
 * @packageDocumentation
 */
export { type Budget, type BudgetSnapshot, createBudget } from './budget/index.js';
export { resolveSettings, type Settings, type SettingsInput } from './config/index.js';
export {
  type ConcurrencyLimit as Permits,
  createConcurrencyLimit as createPermits,
} from './consumers/concurrency-limit.js';
export { type Consumer, createConsumer } from './consumers/run-consumer.js';
export * from './gateway/index.js';
export { IngestError, type IngestErrorCode } from './lib/errors.js';
export { createLogger, type LoggerOptions } from './lib/logging.js';
export { createReleasers, type Releasers } from './lib/releasers.js';
export { VERSION } from './lib/version.js';
export { type Manifest, openManifest, parseLine, readLines, type Source } from './manifest/index.js';
export { createMetrics, type Metrics } from './metrics/metrics.js';
export { openPipeline } from './pipeline/open.js';
export { openProducer } from './pipeline/open-producer.js';
export type { Pipeline } from './pipeline/pipeline.js';
export { type Prepared, prepareRun, type RunRequest } from './pipeline/prepare.js';
export {
  prepare as prepareManifest,
  type RunOutcome,
  type RunWatch,
  runManifest,
} from './pipeline/run.js';
export { workRuns } from './pipeline/work.js';
export { produce } from './producers/produce.js';
export type { Producer } from './producers/producer.js';
export {
  type SuperviseOptions as KeepProducingOptions,
  superviseProducer as keepProducing,
} from './producers/supervise.js';
export type * from './public-types.js';
export type { FailureRow, ResultRow } from './results/rows.js';
export { openSink, type Sink } from './results/sink.js';
export { type RunReading, readRun } from './runs/read-status.js';
export type { RunPolicy, RunRecord, TaskOptions } from './runs/record.js';
export type { BlockReason, RunState, RunStatus, RunSummary } from './runs/status.js';
export { type Sandbox, type SandboxOptions, startSandbox } from './sandbox/index.js';
export { serveHttp } from './web/serve.js';
export { type HttpPart, type HttpServer, openHttpServer } from './web/server.js';
