const SUCCEEDED: ReadonlySet<string> = new Set([
  'completed',
  'complete',
  'succeeded',
  'success',
  'done',
  'finished',
]);
const FAILED: ReadonlySet<string> = new Set([
  'failed',
  'error',
  'errored',
  'cancelled',
  'canceled',
  'expired',
]);

/** The documentation names no statuses of jobs: these are the words that Gateways like it use. */
export const hasSucceeded = (status: string): boolean => SUCCEEDED.has(status.toLowerCase());
export const hasEnded = (status: string): boolean => hasSucceeded(status) || FAILED.has(status.toLowerCase());
