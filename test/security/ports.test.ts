import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { type HttpPart, openHttpServer } from '../../src/web/server.js';
import { API_KEY, sandbox } from '../pipeline/harness.js';

/** The port of metrics and that of webhooks are this server with other parts. */
async function port(arriveMs: number) {
  const part: HttpPart = (app) => {
    app.get('/healthz', async () => 'ok\n');
    app.post('/hook', async () => 'taken\n');
  };
  const server = await openHttpServer({
    host: '127.0.0.1',
    port: 0,
    access: null,
    log: pino({ level: 'silent' }),
    parts: [part],
    arriveMs,
  });
  onTestFinished(() => server.close());
  return server.url;
}

/** Says what it is told, then nothing more; resolves with all that came when the server has ended the connection. */
async function endedByServer(url: string, said: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  if (said !== '') socket.write(said);
  await closed;
  return text;
}

const SLOW = {
  'nothing at all': '',
  'half a request line': 'GET /heal',
  'headers without an end': 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n',
  'a body that does not come':
    'POST /hook HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
};

test('connections that say too little are ended, and others are answered meanwhile', async () => {
  const url = await port(3_000);
  const slow = Object.values(SLOW).flatMap((said) =>
    Array.from({ length: 10 }, () => endedByServer(url, said)),
  );
  const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/healthz`)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  await Promise.all(slow);
}, 60_000);

test('the same of the local Gateway', async () => {
  const { url } = await sandbox();
  const slow = Object.values(SLOW)
    .slice(0, 3)
    .map((said) => endedByServer(url, said));
  const answer = await fetch(`${url}/v1/customers/me`, { headers: { authorization: `Bearer ${API_KEY}` } });
  expect(answer.status).toBe(200);
  await Promise.all(slow);
}, 90_000);

test('a flood of headers is refused before it is kept', async () => {
  const { url: gateway } = await sandbox();
  const some = 'x-flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(1_000);
  for (const url of [await port(10_000), gateway]) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let [text, over, sent] = ['', false, 0];
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      over = true;
    });
    await once(socket, 'connect');
    socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n');
    while (!over && sent < 100 << 20) {
      sent += some.length;
      if (!socket.write(some))
        await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
      else await new Promise(setImmediate);
    }
    expect(text.slice(0, 12)).toMatch(/^HTTP\/1.1 431|^$/);
    expect(sent, url).toBeLessThan(20 << 20);
  }
}, 60_000);
