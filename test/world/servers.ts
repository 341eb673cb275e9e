import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { tempDir } from '../pipeline/harness.js';

/** Passes each call on to a Gateway, and its whole answer through `change`. */
export const front =
  (target: string, change: (body: Buffer, response: ServerResponse) => Buffer) =>
  (asked: IncomingMessage, response: ServerResponse): void => {
    const { hostname, port } = new URL(target);
    const { host: _host, ...headers } = asked.headers;
    const forwarded = request(
      { hostname, port, method: asked.method, path: asked.url, headers },
      async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk as Buffer);
        const { 'content-length': _length, 'transfer-encoding': _encoding, ...kept } = answer.headers;
        for (const [name, value] of Object.entries(kept))
          if (value !== undefined) response.setHeader(name, value);
        const body = change(Buffer.concat(chunks), response);
        response.writeHead(answer.statusCode ?? 502).end(body);
      },
    );
    forwarded.on('error', () => response.destroy());
    asked.pipe(forwarded);
  };

/** A TLS server in front of a Gateway, and the certificate of its own authority. */
export async function overTls(target: string): Promise<{ url: string; ca: string }> {
  const dir = await tempDir();
  const ca = path.join(dir, 'server.crt');
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.crt'],
      ...[
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost,DNS:gateway.invalid,DNS:notices.invalid',
      ],
    ],
    { cwd: dir, stdio: 'ignore' },
  );
  const server = createTlsServer(
    { key: readFileSync(path.join(dir, 'server.key')), cert: readFileSync(ca) },
    front(target, (body) => body),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, ca };
}
