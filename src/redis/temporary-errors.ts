import { setTimeout as sleep } from 'node:timers/promises';

/** Temporary refusals: memory or disk is full, a log is being loaded, or a script or a failover blocks Redis. */
const PASSING = /(^|[\s-])(OOM|LOADING|BUSY|READONLY|MISCONF|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|NOREPLICAS) /;
/** The client makes a new connection when a replica answers, and gives up what the old one had not answered yet. */
const GIVEN_UP = 'Command aborted due to connection close';
const LEAST_WAIT_MS = 100;
const MOST_WAIT_MS = 2_000;

/** Whether an error comes from a temporary state of Redis, not from the command. */
export const isTemporaryError = (error: unknown): error is Error =>
  error instanceof Error && (PASSING.test(`${error.message} `) || error.message === GIVEN_UP);

export interface RetryOptions {
  /** Ends the wait: then the error is thrown. */
  signal?: AbortSignal | undefined;
  /** Called for each refusal. */
  onWait?: (error: Error) => void;
}

/** Does something with Redis, again and again while Redis refuses for a reason that passes. It must be safe to repeat. */
export async function retryTemporaryErrors<T>(
  work: () => Promise<T>,
  { signal, onWait }: RetryOptions = {},
): Promise<T> {
  for (let waitMs = LEAST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MOST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isTemporaryError(error) || signal?.aborted) throw error;
      onWait?.(error);
      await sleep(waitMs, undefined, signal && { signal }).catch(() => undefined);
    }
  }
}
