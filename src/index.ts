/**
 * The Gateway client, and the pipeline's parts for a service that embeds them.
 * @packageDocumentation
 */
export { type Budget, type BudgetSnapshot, createBudget } from './budget/index.js';
export { resolveSettings, type Settings, type SettingsInput } from './config/index.js';
export { type Consumer, createConsumer } from './consumers/consume.js';
export {
  type ConcurrencyLimit as Permits,
  createConcurrencyLimit as createPermits,
} from './consumers/permits.js';
export { IngestError, type IngestErrorCode } from './errors.js';
export * from './gateway/index.js';
export { serveHttp } from './http/serve.js';
export { type HttpPart, type HttpServer, openHttpServer } from './http/server.js';
export { createLogger, type LoggerOptions } from './logging.js';
export { type Manifest, openManifest, parseLine, readLines, type Source } from './manifest/index.js';
export { createMetrics, type Metrics } from './metrics/metrics.js';
export { openPipeline } from './open-pipeline.js';
export type { Pipeline } from './pipeline.js';
export {
  type SuperviseOptions as KeepProducingOptions,
  superviseProducer as keepProducing,
} from './producers/keep-producing.js';
export { openProducer } from './producers/open-producer.js';
export { type Producer, produce } from './producers/produce.js';
export { createReleasers, type Releasers } from './releasers.js';
export type { FailureRow, ResultRow } from './results/rows.js';
export { openSink, type Sink } from './results/sink.js';
export {
  prepare as prepareManifest,
  type RunOutcome,
  type RunWatch,
  runManifest,
} from './run.js';
export { type Prepared, prepareRun, type RunRequest } from './runs/prepare.js';
export { type RunReading, readRun } from './runs/read-status.js';
export type { RunPolicy, RunRecord, TaskOptions } from './runs/record.js';
export type { BlockReason, RunState, RunStatus, RunSummary } from './runs/status.js';
export { type Sandbox, type SandboxOptions, startSandbox } from './sandbox/index.js';
export { VERSION } from './version.js';
export { workRuns } from './work.js';
