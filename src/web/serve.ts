import type { Settings } from '../config/index.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { createAccess } from './access.js';
import { createAudit } from './audit.js';
import { login } from './login.js';
import { metricsRoute } from './metrics/route.js';
import { pagesRoute } from './pages/route.js';
import { probes } from './probes.js';
import { queueBoard } from './queue-board/route.js';
import { type HttpServer, openHttpServer } from './server.js';

export type ServeSettings = Pick<Settings, 'metricsPort' | 'metricsHost'> &
  Partial<Pick<Settings, 'metricsToken' | 'operatorToken' | 'metricsAllowHost' | 'queueBoardWrites'>>;

/**
 * Serves a process' port: probes, metrics, pages, the queue board. Null when `metricsPort` is: then there is none.
 *
 * @param draining aborts when the process begins to stop: it is not ready from then on
 */
export async function serveHttp(
  pipeline: Pipeline,
  settings: ServeSettings,
  draining: AbortSignal,
): Promise<HttpServer | null> {
  if (settings.metricsPort === null) return null;
  const access = createAccess({
    viewerToken: settings.metricsToken?.reveal() ?? null,
    operatorToken: settings.operatorToken?.reveal() ?? null,
    allowHosts: settings.metricsAllowHost ?? [],
  });
  const audit = createAudit(pipeline.log);
  return openHttpServer({
    host: settings.metricsHost,
    port: settings.metricsPort,
    access,
    log: pipeline.log,
    parts: [
      probes(pipeline, draining),
      login(access, audit),
      metricsRoute(pipeline),
      pagesRoute(pipeline),
      queueBoard(pipeline, { writes: settings.queueBoardWrites ?? false, audit }),
    ],
  });
}
