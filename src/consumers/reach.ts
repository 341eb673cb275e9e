import { ASGNetworkError, ASGTimeoutError } from '../gateway/errors.js';
import { unreachable } from '../gateway/reach.js';
import type { GatewayCall } from '../gateway/types.js';
import type { RunReading } from '../runs/read-status.js';
import type { RunRecord } from '../runs/record.js';
import type { CallFailure } from './call-failure.js';

/** Whether a run's Gateway has ever answered any of its processes, and since when this one has called in vain. */
export interface Reach {
  /** The record of all processes' calls. */
  read(reading: Pick<RunReading, 'status' | 'record'>): void;
  called(call: Pick<GatewayCall, 'status'>): void;
  readonly answered: boolean;
  /** ms; null while no call of this process has failed since the run has been going on. */
  inVainMs(): number | null;
}

export function createReach(now: () => number = () => performance.now()): Reach {
  let answered = false;
  let since: number | null = null;
  return {
    read({ status, record }) {
      answered ||= Object.values(status.gateway_calls).some((statuses) =>
        Object.keys(statuses).some((name) => /^\d+$/.test(name)),
      );
      // A user who resumes a run wants another try.
      if (record.state !== 'running') since = null;
    },
    called({ status }) {
      if (typeof status === 'number') answered = true;
      else since ??= now();
    },
    get answered() {
      return answered;
    },
    inVainMs: () => (since === null ? null : now() - since),
  };
}

/**
 * Blocks a run that has had no answer for as long as a call is tried (`--retry-for`): it is not the lines that are
 * wrong. Null for any other trouble.
 */
export function neverReached(
  { reach, record }: { reach: Reach; record: Pick<RunRecord, 'policy'> },
  error: unknown,
): CallFailure | null {
  if (!(error instanceof ASGNetworkError || error instanceof ASGTimeoutError)) return null;
  const inVainMs = reach.inVainMs();
  if (reach.answered || inVainMs === null || inVainMs < record.policy.retryForMs) return null;
  const { why } = unreachable(error);
  const message = `cannot reach the Gateway, which has never answered: ${why}; correct that, and resume`;
  return { kind: 'run', reason: 'unreachable', message };
}
