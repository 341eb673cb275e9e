import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import type { JobCredentials } from '../gateway/types.js';
import { usageError } from '../lib/errors.js';

const OPTION = '--credentials-from';

/**
 * The credentials that a manifest job is given for its bucket, from the environment or a file. No message holds any
 * part of them.
 *
 * @param from `env`; `file` for the SDKs' usual places; else a file's path
 * @throws IngestError `usage`
 */
export function readJobCredentials(
  manifestUrl: string,
  from: string,
  { env, cwd }: { env: NodeJS.ProcessEnv; cwd: string },
): JobCredentials {
  if (/^gs:/i.test(manifestUrl)) {
    const file = from === 'env' || from === 'file' ? env.GOOGLE_APPLICATION_CREDENTIALS : from;
    if (!file)
      throw usageError(OPTION, `${from}: GOOGLE_APPLICATION_CREDENTIALS names no service-account file`);
    return { service_account_json: serviceAccount(path.resolve(cwd, file)) };
  }
  if (!/^s3:/i.test(manifestUrl))
    throw usageError(OPTION, 'only a manifest in s3:// or gs:// needs credentials');
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION;
  if (from === 'env')
    return s3Keys(
      {
        access_key_id: env.AWS_ACCESS_KEY_ID,
        secret_access_key: env.AWS_SECRET_ACCESS_KEY,
        session_token: env.AWS_SESSION_TOKEN,
        region,
      },
      'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION are all needed',
    );
  const file =
    from === 'file'
      ? (env.AWS_SHARED_CREDENTIALS_FILE ?? path.join(env.HOME ?? homedir(), '.aws', 'credentials'))
      : path.resolve(cwd, from);
  const found = fieldsOf(readSecretFile(file), env.AWS_PROFILE || 'default');
  return s3Keys({ region, ...found }, `${file}: access_key_id, secret_access_key and region are all needed`);
}

function s3Keys(found: Record<string, string | undefined>, missing: string): JobCredentials {
  const { access_key_id, secret_access_key, session_token, region } = found;
  if (session_token)
    throw usageError(OPTION, 'temporary keys (with a session token) are not taken by the Gateway', {
      hint: 'make a pair of keys that may only read the manifest',
    });
  if (!access_key_id || !secret_access_key || !region) throw usageError(OPTION, missing);
  return { access_key_id, secret_access_key, region };
}

/** A JSON object, or a profile of an AWS credentials file; both with or without `aws_` before the names. */
function fieldsOf(text: string, profile: string): Record<string, string> {
  const pairs = text.trimStart().startsWith('{') ? jsonPairs(text) : profilePairs(text, profile);
  return Object.fromEntries(pairs.map(([name, value]) => [name.trim().replace(/^aws_/, ''), value.trim()]));
}

function jsonPairs(text: string): [string, string][] {
  const value = parseObject(text);
  return Object.entries(value ?? {}).filter((pair): pair is [string, string] => typeof pair[1] === 'string');
}

function profilePairs(text: string, profile: string): [string, string][] {
  const pairs: [string, string][] = [];
  let section = '';
  for (const line of text.split('\n')) {
    section = /^\s*\[\s*(.*?)\s*\]/.exec(line)?.[1] ?? section;
    const [, name, value] = /^\s*([a-z_]+)\s*=\s*(.+)$/i.exec(line) ?? [];
    if (section === profile && name !== undefined && value !== undefined) pairs.push([name, value]);
  }
  return pairs;
}

function serviceAccount(file: string): string {
  const text = readSecretFile(file);
  if (parseObject(text)?.type !== 'service_account')
    throw usageError(OPTION, `${file}: not a service-account file (JSON with "type": "service_account")`);
  return text;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // The parser's message would quote the file.
    return undefined;
  }
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(OPTION, `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
