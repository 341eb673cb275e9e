import type { LabelSpec } from '../../gateway/types.js';
import { kindOfHost } from '../../lib/net/guarded-connect.js';
import type { SandboxOptions } from '../options.js';
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

export type Allowed = Pick<SandboxOptions, 'allowOwnCredentials' | 'allowInternalAddresses'>;

/** The documentation's rules for a job; the reason of a 400, or null. Repeats nothing of the credentials. */
export function jobProblem(
  body: unknown,
  isRegistered: (callbackUrl: string) => boolean,
  allowed: Allowed,
): string | null {
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
  return (
    credentialsProblem(scheme.toLowerCase(), credentials) ??
    deliveryProblem(delivery) ??
    addressProblem('manifest_url', manifest_url, allowed) ??
    addressProblem('callback_url', callback_url, allowed) ??
    ownCredentialsProblem(body as unknown as WireJob, allowed)
  );
}

/** Names are checked once more when they are connected to; literal addresses are checked at once. */
function addressProblem(field: string, url: unknown, { allowInternalAddresses }: Allowed): string | null {
  if (allowInternalAddresses || typeof url !== 'string' || !/^https?:/i.test(url)) return null;
  const kind = kindOfHost(new URL(url).hostname);
  return kind === null || kind === 'public'
    ? null
    : `${field} is not at a public address (the local Gateway allows others with --allow-internal-addresses)`;
}

/** A job brings the credentials for all that it reads and writes; those of this process are not for everyone who calls. */
export function ownCredentialsProblem(
  { manifest_url, credentials, delivery }: Pick<WireJob, 'manifest_url' | 'credentials' | 'delivery'>,
  { allowOwnCredentials }: Allowed,
): string | null {
  if (allowOwnCredentials) return null;
  const own = "the local Gateway's own are used with --allow-own-credentials only";
  if (/^(s3|gs):/i.test(manifest_url) && !credentials)
    return `credentials are needed for manifest_url: ${own}`;
  const forS3 = credentials && 'access_key_id' in credentials;
  return delivery && !forS3 ? `credentials for s3:// are needed for delivery: ${own}` : null;
}

function credentialsProblem(scheme: string, credentials: unknown): string | null {
  if (credentials === undefined || credentials === null) return null;
  if (scheme !== 's3' && scheme !== 'gs') return 'credentials go with s3:// and gs:// only';
  const fields = scheme === 's3' ? S3_FIELDS : GCS_FIELDS;
  const complete = isObject(credentials) && fields.every((name) => isText(credentials[name]));
  if (!complete) return `credentials for ${scheme}:// must hold ${fields.join(', ')}`;
  if (scheme === 's3')
    return REGION.test(String(credentials.region)) ? null : 'credentials.region is not the name of a region';
  return isServiceAccount(String(credentials.service_account_json))
    ? null
    : 'credentials.service_account_json must be a service account file as a string';
}

/** It becomes a part of the host's name. */
const REGION = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/**
 * No other kind of Google's credentials: those name files of this machine, and addresses to ask. A service account's
 * file may name another universe, whose host its token would be sent to.
 */
function isServiceAccount(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return false;
    const { type, client_email, private_key, universe_domain: universe = 'googleapis.com' } = value;
    return (
      type === 'service_account' &&
      (client_email === undefined || isText(client_email)) &&
      isText(private_key) &&
      universe === 'googleapis.com'
    );
  } catch {
    return false;
  }
}

const deliveryProblem = (delivery: unknown) =>
  delivery === undefined ||
  delivery === null ||
  (isObject(delivery) && delivery.type === 's3' && isText(delivery.bucket) && !delivery.bucket.includes('/'))
    ? null
    : 'delivery must be {type: "s3", bucket}';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
