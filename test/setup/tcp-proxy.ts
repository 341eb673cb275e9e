import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  port: number;
  connections(): number;
  /** The silent connections that the client has not given up. */
  silent(): number;
  /**
   * From now on the present connections pass nothing in either direction, and stay open. New ones work. `only`: some of
   * them, by the port that the server sees.
   */
  fallSilent(only?: (upstreamPort: number | undefined) => boolean): void;
  /** Closes the present connections; new ones work. */
  cut(): void;
  close(): Promise<void>;
}

/** A proxy that behaves like a NAT which forgets its connections. */
export async function startTcpProxy(port: number, host = '127.0.0.1'): Promise<TcpProxy> {
  const pairs = new Set<{ ends: [Socket, Socket]; silent: boolean }>();
  const server = createServer((client) => {
    const upstream = connect(port, host);
    const pair = { ends: [client, upstream] as [Socket, Socket], silent: false };
    pairs.add(pair);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (chunk) => pair.silent || to.write(chunk));
      from.on('error', () => undefined);
      from.on('close', () => {
        if (!pair.silent) to.destroy();
        if (from === client) pairs.delete(pair);
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const { ends } of pairs) for (const end of ends) end.destroy();
  };
  return {
    cut,
    port: (server.address() as AddressInfo).port,
    connections: () => pairs.size,
    silent: () => [...pairs].filter(({ silent }) => silent).length,
    fallSilent(only = () => true) {
      for (const pair of pairs) if (only(pair.ends[1].localPort)) pair.silent = true;
    },
    close: () =>
      new Promise((resolve) => {
        cut();
        server.close(() => resolve());
      }),
  };
}
