import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What happens to a request: an answer in the server's stead, or a body that breaks off after so many bytes. */
export type Fault =
  | { status: number; body?: string; type?: string; headers?: Record<string, string> }
  /** A reset connection. */
  | { resetAt: number }
  /** A body that ends early. */
  | { endAt: number };

export interface BreakingProxy {
  url: string;
  /** Decides over each request as it comes. */
  fault: (request: IncomingMessage) => Fault | null;
  /** Bytes of answers that were passed on. */
  bytes: number;
  requests: number;
  close(): Promise<void>;
}

/** An HTTP proxy in front of one server, which breaks what it is told to break. */
export async function startBreakingProxy(target: string): Promise<BreakingProxy> {
  const { hostname, port } = new URL(target);
  const server = createServer((asked, response) => {
    proxy.requests += 1;
    const fault = proxy.fault(asked);
    if (fault !== null && 'status' in fault) {
      asked.resume();
      return void response
        .writeHead(fault.status, { 'content-type': fault.type ?? 'application/xml', ...fault.headers })
        .end(fault.body);
    }
    const { host: _host, ...headers } = asked.headers;
    const forwarded = request(
      {
        hostname,
        port,
        method: asked.method,
        path: asked.url,
        headers: { ...headers, host: new URL(proxy.url).host },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        const at =
          fault === null ? Number.POSITIVE_INFINITY : 'resetAt' in fault ? fault.resetAt : fault.endAt;
        let passed = 0;
        const counting = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            const some = chunk.subarray(0, at - passed);
            passed += some.length;
            proxy.bytes += some.length;
            if (passed < at) return done(null, some);
            response.write(some, () => {
              if (fault !== null && 'endAt' in fault) response.socket?.end();
              else response.socket?.resetAndDestroy();
            });
          },
        });
        pipeline(answer, counting, response).catch(() => undefined);
      },
    );
    forwarded.on('error', () => response.destroy());
    pipeline(asked, forwarded).catch(() => undefined);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: BreakingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: () => null,
    bytes: 0,
    requests: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}
