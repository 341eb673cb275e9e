import { codesOf } from '../lib/net/local-trouble.js';
import type { Waits } from '../lib/waits.js';
import { ASGNetworkError } from './errors.js';
import type { GatewayCall } from './types.js';

const CERTIFICATE =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/;

const SAID: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no host of this name (ENOTFOUND); check --gateway-url',
  EAI_AGAIN: 'names cannot be looked up (EAI_AGAIN); check the network, and HTTPS_PROXY if there is a proxy',
  ECONNREFUSED: 'nothing listens there (ECONNREFUSED); check --gateway-url and its port',
  EHOSTUNREACH: 'there is no way to that host (EHOSTUNREACH)',
  ENETUNREACH: 'there is no way to that network (ENETUNREACH)',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS at this port; http:// instead of https://?',
};

/** Why no answer came, in a sentence with what to do; whether it is a certificate that another try cannot change. */
export function unreachable(error: unknown): { why: string; certificate: boolean } {
  const codes = codesOf(error);
  const certificate = codes.find((code) => CERTIFICATE.test(code));
  if (certificate !== undefined) {
    const why = `${deepest(error)} (${certificate}); NODE_EXTRA_CA_CERTS=<file> or --ca <file> names the authority to trust`;
    return { why, certificate: true };
  }
  const said = codes.map((code) => SAID[code]).find((text) => text !== undefined);
  return { why: said ?? deepest(error), certificate: false };
}

/** Whether a call failed at a certificate. */
export const isCertificateTrouble = (error: unknown): error is ASGNetworkError =>
  error instanceof ASGNetworkError && unreachable(error).certificate;

/**
 * Watches calls for a Gateway that has never answered this process: `waits` has the reason. Once it has answered, the
 * budget reports its failures.
 */
export function watchReach(origin: string, waits: Waits): (call: GatewayCall) => void {
  let reached = false;
  return ({ status, error }) => {
    if (reached) return;
    if (typeof status === 'number') {
      reached = true;
      waits.clear('gateway');
    } else {
      const why = status === 'timeout' ? 'no answer in time' : unreachable(error).why;
      waits.set('gateway', `cannot reach ${origin}: ${why}`);
    }
  };
}

function deepest(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message || at.name : String(at);
}
