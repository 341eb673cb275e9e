import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

/** The person and the action, done or tried. */
export type Audit = (event: string, request: FastifyRequest, fields?: Record<string, unknown>) => void;

/** Lines of the log with `"audit": true`: written at any `--log-level`. */
export function createAudit(log: Logger): Audit {
  const audit = log.child({ audit: true }, { level: 'info' });
  return (event, { caller, ip, method, url }, fields = {}) =>
    audit.info(
      { role: caller?.role ?? null, by: caller?.by ?? null, from: ip, method, path: url, ...fields },
      event,
    );
}
