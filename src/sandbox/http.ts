import type { IncomingMessage, ServerResponse } from 'node:http';

/** An answer, its body as JSON text already. */
export interface Reply {
  status: number;
  json: string;
  headers?: Record<string, string>;
}

export const reply = (status: number, body: unknown): Reply => ({ status, json: JSON.stringify(body) });
export const failure = (status: number, error: string): Reply => reply(status, { error });

/** A batch of a thousand large tasks fits. */
const MOST_BODY_BYTES = 64 << 20;

export function send(response: ServerResponse, { status, json, headers }: Reply): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(json),
    ...headers,
  });
  response.end(json);
}

/** Hands over the body as text, or null when it is too large; not at all when the client goes away before. */
export function readBody(request: IncomingMessage, done: (text: string | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MOST_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('end', () => {
    const [only] = chunks;
    if (bytes > MOST_BODY_BYTES) done(null);
    else if (only === undefined) done('');
    else done((chunks.length === 1 ? only : Buffer.concat(chunks)).toString('utf8'));
  });
}
