import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Proxy {
  url: string;
  /** Requests and tunnels, as `GET http://host/…` and `CONNECT host:443`; what a client may not see of a URL is cut. */
  asked: string[];
}

/** A forward proxy that finds made-up hosts where `hosts` says; others it refuses. */
export async function startProxy(hosts: Record<string, string>): Promise<Proxy> {
  const asked: string[] = [];
  const targetOf = (host: string) => {
    const target = hosts[host];
    return target === undefined ? null : new URL(target);
  };
  const server = createServer((incoming, response) => {
    const url = URL.canParse(incoming.url ?? '') ? new URL(incoming.url ?? '') : null;
    const target = url && targetOf(url.hostname);
    if (!url || !target) return void response.writeHead(502).end();
    asked.push(`${incoming.method} ${url.origin}`);
    const forwarded = request(
      {
        host: target.hostname,
        port: target.port,
        method: incoming.method,
        path: url.pathname + url.search,
        // Servers of this machine take no other name than theirs.
        headers: { ...incoming.headers, host: target.host },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    forwarded.on('error', () => response.destroy());
    incoming.pipe(forwarded);
  });
  server.on('connect', (incoming, socket) => {
    asked.push(`CONNECT ${incoming.url}`);
    const target = targetOf((incoming.url ?? '').replace(/:\d+$/, ''));
    socket.on('error', () => undefined);
    if (target === null) return void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const upstream = connect(Number(target.port), target.hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
