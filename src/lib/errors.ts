/** The kind of error, as a stable word that scripts and tests may rely on. */
export type IngestErrorCode =
  | 'usage'
  | 'manifest'
  | 'manifest_changed'
  | 'source_changed'
  | 'redis'
  | 'sandbox'
  | 'sink'
  | 'webhook'
  /** The run's state does not allow it. */
  | 'state'
  | 'internal';

export interface IngestErrorOptions {
  /** The remedy for the user, as one sentence. */
  hint?: string;
  cause?: unknown;
}

/**
 * Any failure of the pipeline that a user can read. Gateway answers have their own family (`ASGGatewayError`);
 * BullMQ's control errors are never wrapped in either.
 */
export class IngestError extends Error {
  override readonly name = 'IngestError';
  readonly code: IngestErrorCode;
  readonly hint: string | undefined;

  constructor(code: IngestErrorCode, message: string, options: IngestErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** Bad usage or configuration; `option` is named as the user typed it (`--rate`, `ASG_RATE`). Exit status 2. */
export function usageError(option: string, problem: string, options?: IngestErrorOptions): IngestError {
  return new IngestError('usage', `${option}: ${problem}`, options);
}
