import type { EscalationStatus } from './escalation.js';
import type { RunForecast } from './forecast.js';
import type { GoldStatus } from './gold.js';
import type { SinceSummary } from './since.js';

/** Why a run is blocked. */
export type BlockReason =
  | 'key_refused'
  | 'quota'
  | 'budget'
  | 'spend'
  | 'failures'
  | 'gold'
  | 'sink'
  | 'source_changed'
  | 'wrong_endpoint'
  | 'unreachable';

/** The possible waits of a running run. `day` and `hours` are limits of the user's own. */
export type WaitingFor = 'rate' | 'day' | 'hours' | 'redis' | 'sink' | 'gateway' | 'source';

/** `paused` and `blocked` runs can be resumed; `completed` and `cancelled` runs have ended. */
export type RunState = 'running' | 'paused' | 'blocked' | 'completed' | 'cancelled';

/** A part in `--out`. */
export interface PartRecord {
  name: string;
  rows: number;
  bytes: number;
  sha256: string;
}

/** Sats of `--spend` and `--spend-per-day`; null where there is no such limit, or the price is not known yet. */
export interface EnvelopeStatus {
  spend: number | null;
  spend_per_day: number | null;
  spent: number;
  /** Since midnight, UTC. */
  spent_today: number;
  /** The most that the tasks in flight may cost. */
  reserved: number;
  /** The most that one more label may cost. */
  label_sats: number | null;
}

/** The changes that `tune` has made to a live run. */
export interface Change {
  /** The option's name. */
  what: string;
  from: string | number | null;
  to: string | number | null;
  /** ISO 8601. */
  at: string;
}

/** The object of `summary.json`. */
export interface RunSummary {
  run_id: string;
  /** `digest`: of all sources' names and versions. */
  manifest: { uri: string; version: string; digest: string };
  /** Digest of task type, label spec and threshold. */
  spec_digest: string;
  state: RunState;
  /** Non-blank lines known so far; all of them once the run has ended. */
  lines: number;
  settled: number;
  failed: number;
  /** Lines that the run of `since` has settled, and that have no row here. */
  unchanged: number;
  /** The settled lines whose row was copied from it (`--carry`). */
  carried: number;
  /** The earlier run that this one builds on; null without `--since`. */
  since: SinceSummary | null;
  /** Failures by code. */
  failures: Record<string, number>;
  /** ISO 8601. */
  started_at: string;
  ended_at: string | null;
  /** Gateway calls: operation, then status, then how many. */
  gateway_calls: Record<string, Record<string, number>>;
  /** The 429s among them. */
  rate_limited: number;
  /** Waits of all calls added up: fleet pauses, and the delays of calls that failed. */
  backoff_seconds: number;
  /** How long pauses of the key, and an open circuit, held all calls back while the run went on. */
  stood_still_seconds: number;
  /** Result calls per settled line; null before the first. */
  polls_per_label: number | null;
  cost_sats: number;
  /** How many lines settled with each label. */
  labels: Record<string, number>;
  /** How the lines of `--gold` were labelled; they count among the lines above. Null without. */
  gold: GoldStatus | null;
  /** The lines that met `--escalate`. Null without. */
  escalated: EscalationStatus | null;
  parts: PartRecord[];
  /** By `tune`, the earliest first. */
  changes: Change[];
  /** The plan against the expected or real figures. Null: not computed. */
  forecast: RunForecast | null;
}

/** The content of `status` and the progress display: the summary so far, and the present moment. */
export interface RunStatus extends RunSummary {
  /** Lines waiting in Redis for submission. */
  queued: number;
  /** Tasks submitted and not yet settled. */
  in_flight: number;
  /** Gateway calls per second now allowed to the key; null when not limited. */
  rate: number | null;
  eta_seconds: number | null;
  reason: BlockReason | null;
  /** The cause of the block, and the next step, in a sentence; or the run's wait. */
  message: string | null;
  /** The current wait of a running run; null when it proceeds. */
  waiting_for: WaitingFor | null;
  /** When it goes on, as far as that is known: ISO 8601. */
  waiting_until: string | null;
  /** The limit of the cost, if there is one. */
  envelope: EnvelopeStatus | null;
  /** True once every line of the manifest has been read. */
  produced: boolean;
}

/** Every line ends settled, failed or unchanged. */
export const endedLines = ({
  settled,
  failed,
  unchanged,
}: Pick<RunSummary, 'settled' | 'failed' | 'unchanged'>): number => settled + failed + unchanged;

/** Lines that settled by this run's own tasks. Summaries of earlier versions have no `carried`. */
export const boughtLines = ({
  settled,
  carried = 0,
}: Pick<RunSummary, 'settled'> & Partial<Pick<RunSummary, 'carried'>>): number => settled - carried;
