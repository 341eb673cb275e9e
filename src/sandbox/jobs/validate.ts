import type { LabelSpec } from '../../gateway/types.js';
import { isObject, taskProblem } from '../validate.js';

/** A job as it is sent, once `jobProblem` found none. */
export interface WireJob {
  manifest_url: string;
  label_spec: LabelSpec;
  task_type?: string | null;
  consensus_threshold?: number | null;
  callback_url?: string | null;
  credentials?: Record<string, string> | null;
  delivery?: { type: 's3'; bucket: string } | null;
}

export const DEFAULT_TYPE = 'image_classification';
const S3_FIELDS = ['access_key_id', 'secret_access_key', 'region'];
const GCS_FIELDS = ['service_account_json'];

/** What the documentation asks of a job; the reason of a 400, or null. Repeats nothing of the credentials. */
export function jobProblem(body: unknown, isRegistered: (callbackUrl: string) => boolean): string | null {
  if (!isObject(body)) return 'the body must be an object';
  const { manifest_url, label_spec, task_type, consensus_threshold, callback_url, credentials, delivery } =
    body;
  const [, scheme] =
    (typeof manifest_url === 'string' && /^(s3|gs|https?):\/\/[^/]+\/./i.exec(manifest_url)) || [];
  if (scheme === undefined || !URL.canParse(String(manifest_url)))
    return 'manifest_url must be s3://…, gs://… or https://…';
  const task = { type: task_type ?? DEFAULT_TYPE, data_url: 'https://any.example', label_spec };
  const problem = taskProblem({ ...task, consensus_threshold, callback_url }, isRegistered);
  if (problem !== null) return problem.replace(/^type /, 'task_type ');
  return credentialsProblem(scheme.toLowerCase(), credentials) ?? deliveryProblem(delivery);
}

function credentialsProblem(scheme: string, credentials: unknown): string | null {
  if (credentials === undefined || credentials === null) return null;
  if (scheme !== 's3' && scheme !== 'gs') return 'credentials go with s3:// and gs:// only';
  const fields = scheme === 's3' ? S3_FIELDS : GCS_FIELDS;
  const complete = isObject(credentials) && fields.every((name) => isText(credentials[name]));
  if (!complete) return `credentials for ${scheme}:// must hold ${fields.join(', ')}`;
  return scheme === 's3' || isJsonObject(String(credentials.service_account_json))
    ? null
    : 'credentials.service_account_json must be a service account file as a string';
}

const deliveryProblem = (delivery: unknown) =>
  delivery === undefined ||
  delivery === null ||
  (isObject(delivery) && delivery.type === 's3' && isText(delivery.bucket) && !delivery.bucket.includes('/'))
    ? null
    : 'delivery must be {type: "s3", bucket}';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function isJsonObject(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
