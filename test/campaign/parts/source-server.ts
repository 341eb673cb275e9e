import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SourceServer {
  url: string;
  /** `slow` is the usual: the body comes over so many ms, so that a fault finds it on its way. */
  mode: 'slow' | 'stalled' | 'unavailable';
  /** Resets the connections that a body is on its way on. */
  cut(): void;
  close(): Promise<void>;
}

const CHUNK_BYTES = 2_048;
const CHECK_EVERY_MS = 50;

/** Serves a manifest with an ETag and ranges, slowly. */
export async function startSourceServer(body: Buffer, overMs: number): Promise<SourceServer> {
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
  const sending = new Set<ServerResponse>();
  const waitMs = (overMs * CHUNK_BYTES) / Math.max(1, body.length);

  async function send(response: ServerResponse, from: number): Promise<void> {
    sending.add(response);
    response.on('close', () => sending.delete(response));
    for (let at = from; at < body.length && !response.destroyed; at += CHUNK_BYTES) {
      while (source.mode === 'stalled' && !response.destroyed) await sleep(CHECK_EVERY_MS);
      response.write(body.subarray(at, at + CHUNK_BYTES));
      await sleep(waitMs);
    }
    response.end();
  }

  const server = createServer((asked, response) => {
    if (source.mode === 'unavailable') return void response.writeHead(503).end();
    const from = Number(/^bytes=(\d+)-$/.exec(asked.headers.range ?? '')?.[1] ?? 0);
    const headers = {
      etag,
      'accept-ranges': 'bytes',
      'content-length': body.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
    };
    response.writeHead(from > 0 ? 206 : 200, headers);
    if (asked.method === 'HEAD') return void response.end();
    void send(response, from);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const source: SourceServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/manifest.jsonl`,
    mode: 'slow',
    cut() {
      for (const response of sending) response.socket?.resetAndDestroy();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return source;
}
