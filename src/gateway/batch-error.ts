import { ASGGatewayError } from './errors.js';
import type { SubmitBatchResult, SubmitTaskParams } from './types.js';

/**
 * A batch that stopped after some of its tasks were accepted; `cause` says why. `submitBatch({ tasks: error.tasks })`
 * repeats it without buying any of them again.
 */
export class ASGBatchError extends ASGGatewayError {
  override readonly name = 'ASGBatchError';
  constructor(
    override readonly cause: ASGGatewayError,
    /** The outcome of the tasks so far. */
    readonly result: SubmitBatchResult,
    /** All tasks, with the idempotency keys that they were given. */
    readonly tasks: SubmitTaskParams[],
  ) {
    super(`after ${result.task_count} of ${tasks.length} tasks: ${cause.message}`, cause.code, { cause });
  }
}
