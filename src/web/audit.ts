import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

/** Who did, or tried, what. */
export type Audit = (event: string, request: FastifyRequest, fields?: Record<string, unknown>) => void;

/** Lines of the log with `"audit": true`: written whatever `--log-level` says. */
export function createAudit(log: Logger): Audit {
  const audit = log.child({ audit: true }, { level: 'info' });
  return (event, { caller, ip, method, url }, fields = {}) =>
    audit.info(
      { role: caller?.role ?? null, by: caller?.by ?? null, from: ip, method, path: url, ...fields },
      event,
    );
}
