import {
  ASGAuthError,
  ASGGatewayHTTPError,
  ASGNetworkError,
  ASGQuotaError,
  ASGRateLimitError,
  ASGResponseError,
  ASGTimeoutError,
} from '../gateway/errors.js';
import { isCertificateTrouble, unreachable } from '../gateway/reach.js';
import type { BlockReason } from '../runs/status.js';

/** The meaning of a failed Gateway call for its line and its run. */
export type CallFailure =
  /** The line itself is refused: it fails. */
  | { kind: 'line'; code: string; status?: number; message: string }
  /** The run cannot go on: it blocks, and nothing is lost. */
  | { kind: 'run'; reason: BlockReason; message: string }
  /** The whole key is too fast: the budget has the report, and the line waits at no cost. */
  | { kind: 'rate_limited' }
  | { kind: 'unknown_task' }
  /** Not the line's fault, and perhaps gone soon: the call is made again. */
  | {
      kind: 'again';
      metric: 'server_error' | 'network_error';
      status?: number;
      message: string;
      /** An answer that is none of the Gateway's. */
      unreadable?: true;
    };

const RETRYABLE = new Set([408, 409, 421, 423, 425]);
/** Errors that no line's content causes: no such place, method, type or credentials (a proxy's). */
const OF_THE_ENDPOINT = new Set([404, 405, 406, 407, 410, 415, 426]);
const GONE = new Set([404, 410]);

export function classifyFailure(error: unknown, operation: 'submit' | 'result'): CallFailure | null {
  if (error instanceof ASGRateLimitError) return { kind: 'rate_limited' };
  if (error instanceof ASGAuthError)
    return {
      kind: 'run',
      reason: 'key_refused',
      message:
        'the Gateway refused the API key (401); correct ASG_API_KEY or have the key admitted, then resume',
    };
  if (error instanceof ASGQuotaError) return outOfQuota(error);
  if (error instanceof ASGResponseError) {
    const { statusCode: status, message } = error;
    if (operation === 'submit' && isHtml(error))
      return wrongEndpoint('answered a submission with a web page');
    if (operation === 'submit' && status >= 300 && status < 400)
      return wrongEndpoint(`answered a submission with a redirection (${status})`);
    return { kind: 'again', metric: 'server_error', status, message, unreadable: true };
  }
  if (error instanceof ASGGatewayHTTPError) return httpTrouble(error, operation);
  if (isCertificateTrouble(error))
    return {
      kind: 'run',
      reason: 'unreachable',
      message: `cannot reach the Gateway: ${unreachable(error).why}`,
    };
  if (error instanceof ASGTimeoutError || error instanceof ASGNetworkError)
    return { kind: 'again', metric: 'network_error', message: error.message };
  return null;
}

function httpTrouble(error: ASGGatewayHTTPError, operation: 'submit' | 'result'): CallFailure {
  const { statusCode: status, message } = error;
  if (status >= 500 || RETRYABLE.has(status))
    return { kind: 'again', metric: 'server_error', status, message };
  if (status === 402) return outOfQuota(error);
  if (GONE.has(status) && operation === 'result') return { kind: 'unknown_task' };
  if (OF_THE_ENDPOINT.has(status)) return wrongEndpoint(`answered a call with ${status}`);
  return { kind: 'line', code: 'rejected', status, message };
}

const outOfQuota = ({ message }: ASGGatewayHTTPError): CallFailure => ({
  kind: 'run',
  reason: 'quota',
  message: `the label quota is used up (${message.slice(0, 300)}); top it up, then resume`,
});

export const wrongEndpoint = (what: string): CallFailure => ({
  kind: 'run',
  reason: 'wrong_endpoint',
  message: `the Gateway URL ${what}; check --gateway-url, or resume when it answers as it should`,
});

/** The reason in a failure's row, from the failed call that ended its line. */
export const failureReason = ({ status, message }: { status?: number; message: string }) => ({
  ...(status === undefined ? {} : { status }),
  message,
});

const isHtml = (error: ASGResponseError) => /html/i.test(error.contentType ?? '');

/** Full jitter: a random part of 1 s, 2 s, 4 s … up to a minute. `calls` is how many have failed, from 1. */
export function backoffMs(calls: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(60_000, 1_000 * 2 ** Math.min(calls - 1, 16)));
}
