export * from './client.js';
export * from './errors.js';
export { parseRateLimitHeaders, parseRetryAfter, type RateLimitHeaders } from './rate-limit-headers.js';
export { DEFAULT_RETRY, type RetryPolicy } from './retry.js';
export type {
  CallOptions,
  CreateJobParams,
  Customer,
  GatewayCall,
  Invoices,
  LabelSpec,
  ManifestJob,
  Operation,
  PendingResult,
  Registration,
  ResultAnswer,
  SettledResult,
  SubmitBatchResult,
  SubmitTaskParams,
  SubmitTaskResult,
  Task,
  Usage,
  Webhook,
} from './types.js';
export { verifyWebhookSignature } from './webhook-signature.js';
