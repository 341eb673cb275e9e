import type { JobCredentials } from './types.js';

/** The parts of a job's credentials that must not be repeated: of a service account, also its fields. */
export function secretsOfCredentials(credentials: JobCredentials | undefined): string[] {
  if (credentials === undefined) return [];
  const { region: _region, ...rest } = credentials as Record<string, unknown>;
  return Object.values(rest).flatMap((value) => {
    if (typeof value !== 'string') return [];
    return [value, ...keysOfAccount(value)];
  });
}

function keysOfAccount(json: string): string[] {
  try {
    const { private_key, private_key_id } = JSON.parse(json) as Record<string, unknown>;
    return [private_key, private_key_id].filter((part) => typeof part === 'string');
  } catch {
    return [];
  }
}
