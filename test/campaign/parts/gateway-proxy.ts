import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What becomes of a call. */
export type CallFault =
  | 'pass'
  /** The connection is cut before the Gateway hears of it. */
  | 'reset'
  /** The Gateway acts, and the connection is cut in the place of its answer. */
  | 'lose'
  /** The Gateway acts, and half of its answer comes. */
  | 'halve'
  /** No answer, until the fault is healed: then the connection is cut. */
  | 'stall'
  /** Another answer, in the Gateway's stead. */
  | { status: number; headers?: Record<string, string>; body: string };

export interface GatewayProxy {
  url: string;
  /** Decides over each call; null lets all pass. */
  fault: (() => CallFault) | null;
  /** Cuts the calls that are stalled. */
  release(): void;
  close(): Promise<void>;
}

/** A proxy in front of the local Gateway. */
export async function startGatewayProxy(target: number): Promise<GatewayProxy> {
  const agent = new Agent({ keepAlive: true });
  const stalled = new Set<IncomingMessage>();

  function pass(asked: IncomingMessage, response: ServerResponse, fault: 'pass' | 'lose' | 'halve'): void {
    const chunks: Buffer[] = [];
    const forwarded = request(
      {
        ...{ host: '127.0.0.1', port: target, agent },
        ...{ method: asked.method, path: asked.url, headers: asked.headers },
      },
      (answer) => {
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', () => asked.socket.resetAndDestroy());
        answer.on('end', () => {
          const body = Buffer.concat(chunks);
          if (fault === 'lose') return void asked.socket.resetAndDestroy();
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          if (fault === 'pass') return void response.end(body);
          response.write(body.subarray(0, body.length / 2), () => asked.socket.resetAndDestroy());
        });
      },
    );
    forwarded.on('error', () => asked.socket.resetAndDestroy());
    asked.pipe(forwarded);
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (asked, response) => {
    asked.on('error', () => undefined);
    const fault = proxy.fault?.() ?? 'pass';
    if (fault === 'reset') asked.socket.resetAndDestroy();
    else if (fault === 'stall') stalled.add(asked);
    else if (typeof fault === 'string') pass(asked, response, fault);
    else {
      asked.resume();
      asked.on('end', () => response.writeHead(fault.status, fault.headers).end(fault.body));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: GatewayProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: null,
    release() {
      for (const asked of stalled) asked.socket.resetAndDestroy();
      stalled.clear();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
  return proxy;
}
