/** Types that the signatures and fields of the public parts name. `npm run docs:api` fails when one is missing. */
export type { BudgetOptions } from './budget/index.js';
export type {
  AcquireOptions,
  CallKind,
  Pause as BudgetPause,
  Quota as BudgetQuota,
  Slot,
} from './budget/types.js';
export type { Condition as EscalationCondition } from './config/escalation-condition.js';
export type { Hours } from './config/hours.js';
export type { RateWindow } from './config/rate-windows.js';
export type { Secret } from './config/secret.js';
export type { SandboxSettings, SettingOrigin } from './config/settings.js';
export type { CountOrShare, DurationRange } from './config/units.js';
export type { ConsumerContext } from './consumers/context.js';
export type { IngestErrorOptions } from './lib/errors.js';
export type { ObjectStores } from './lib/object-stores/index.js';
export type { Range } from './lib/range.js';
export type { FieldMap } from './manifest/map-fields.js';
export type { ReadLinesOptions } from './manifest/read-lines.js';
export type { OpenOptions as OpenManifestOptions } from './manifest/sources/store.js';
export type { Compression, LineItem, LineProblem, ParsedLine, Position, RawLine } from './manifest/types.js';
export type { WorkOptions } from './pipeline/work.js';
export type { Produced } from './producers/produce.js';
export type { AskedSince } from './producers/since/find-earlier.js';
export type { RunQueues } from './queues/queues.js';
export type { RedisTarget } from './redis/address.js';
export type { RedisClient } from './redis/connection.js';
export type { FailureStage } from './results/rows.js';
export type { ReadForecast } from './results/write-summary.js';
export type { LiveConsumers } from './runs/consumer-heartbeats.js';
export type { Envelope } from './runs/envelope.js';
export type { EscalatedFrom, EscalationOutcome, EscalationStatus } from './runs/escalation.js';
export type {
  Expected as ForecastExpected,
  FinishBy,
  Planned as ForecastPlanned,
  RunForecast,
} from './runs/forecast.js';
export type { Gold, GoldLine, GoldRecord, GoldStatus } from './runs/gold.js';
export type { Lease } from './runs/lease.js';
export type { OwnWait } from './runs/own-limits.js';
export type { Chosen, Place as ChosenPlace } from './runs/pilot-lines.js';
export type { ManifestHead, ManifestRecord, PilotRecord, RunHead } from './runs/record.js';
export type { EarlierResults, Since, SinceRecord, SinceSummary } from './runs/since.js';
export type { Marker, ResultsIdentity } from './runs/sink-marker.js';
export type { Change, EnvelopeStatus, PartRecord, WaitingFor } from './runs/status.js';
export type { LiveOptions as LiveSandboxOptions } from './sandbox/options.js';
export type { SandboxStats } from './sandbox/stats.js';
export type { ServeSettings } from './web/serve.js';
export type { HttpOptions } from './web/server.js';
