import { CommanderError } from 'commander';
import { ASGGatewayError } from '../gateway/errors.js';
import { IngestError, type IngestErrorCode } from '../lib/errors.js';

const USAGE_CODES: readonly IngestErrorCode[] = ['usage', 'manifest', 'manifest_changed'];

/** The exit status of a command that threw: 2 for bad usage or configuration, 1 for anything else. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ASGGatewayError) return error.code === 'invalid_request' ? 2 : 1;
  return error instanceof IngestError && USAGE_CODES.includes(error.code) ? 2 : 1;
}
