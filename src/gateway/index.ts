export type { StoreCredentials } from '../lib/object-stores/credentials.js';
export * from './batch-error.js';
export * from './client.js';
export * from './errors.js';
export {
  type Headers as HeaderMap,
  parseRateLimitHeaders,
  parseRetryAfter,
  type RateLimitHeaders,
} from './rate-limit-headers.js';
export { DEFAULT_RETRY, type RetryPolicy } from './retry.js';
export type {
  BatchAnswer,
  BatchTask,
  CallOptions,
  CreateJobParams,
  Customer,
  GatewayCall,
  Invoices,
  JobCredentials,
  LabelSpec,
  ManifestJob,
  Operation,
  PendingResult,
  RawResult,
  Registration,
  RejectedTask,
  ResultAnswer,
  SettledResult,
  SubmitBatchParams,
  SubmitBatchResult,
  SubmitTaskParams,
  SubmitTaskResult,
  Task,
  Usage,
  Webhook,
} from './types.js';
export { verifyWebhookSignature } from './webhook-signature.js';
