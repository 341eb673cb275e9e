import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, type Dispatcher, interceptors, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import {
  type AddressRule,
  guardedConnect,
  kindOf,
  kindOfHost,
  noInternalAfterPublic,
  publicOnly,
} from '../../src/lib/net/guarded-connect.js';

test.each([
  [
    'public',
    ['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808', '172.32.0.1', '100.63.0.1'],
  ],
  ['loopback', ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1']],
  [
    'internal',
    [
      ...[
        '169.254.169.254',
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.1.1',
        '100.64.0.1',
        '0.0.0.0',
      ],
      ...[
        '255.255.255.255',
        '224.0.0.1',
        '192.0.2.1',
        '198.18.0.1',
        '240.0.0.1',
        '::',
        'fe80::1',
        'fe80::1%eth0',
      ],
      ...[
        'fd00:ec2::254',
        'ff02::1',
        '::ffff:169.254.169.254',
        '64:ff9b::a9fe:a9fe',
        '2001:db8::1',
        '2002:7f00:1::',
      ],
    ],
  ],
] as const)('%s addresses', (kind, addresses) => {
  for (const address of addresses) expect(kindOf(address), address).toBe(kind);
});

test('what a host says by itself, in all the ways of writing that a URL has', () => {
  const spoken = (url: string) => kindOfHost(new URL(url).hostname);
  for (const host of [
    '127.1',
    '0x7f000001',
    '2130706433',
    '0177.0.0.1',
    'localhost',
    'a.localhost.',
    '[::1]',
    '[::ffff:7f00:1]',
  ])
    expect(spoken(`http://${host}/`), host).toBe('loopback');
  expect(spoken('http://[fd00:ec2::254]/latest')).toBe('internal');
  expect(spoken('http://0xa9fea9fe/latest')).toBe('internal');
  expect(spoken('https://example.org')).toBeNull();
});

/** Servers on this machine, 127.0.0.2 taken for a public address, and names for both. */
async function world() {
  const seen: string[] = [];
  const serve = async (host: string, answer: RequestListener) => {
    const server = createServer((asked, response) => {
      seen.push(`${asked.headers.host?.split(':')[0]}${asked.url}`);
      answer(asked, response);
    });
    server.listen(0, host);
    await once(server, 'listening');
    onTestFinished(() => void server.close().closeAllConnections());
    return (server.address() as AddressInfo).port;
  };
  const addresses: Record<string, string[]> = {};
  const seams = {
    resolve: ((name, _options, callback) =>
      callback(
        null,
        (addresses[name] ?? []).map((address) => ({ address, family: 4 })),
      )) as NonNullable<NonNullable<Parameters<typeof guardedConnect>[1]>['resolve']>,
    kind: (address: string) => (address === '127.0.0.2' ? 'public' : kindOf(address)),
  };
  const ask = async (url: string, rule: AddressRule) => {
    const agent = new Agent({ connect: guardedConnect(rule, seams) });
    onTestFinished(() => agent.destroy());
    const following: Dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }));
    const { statusCode, body } = await request(url, { dispatcher: following });
    return [statusCode, await body.text()];
  };
  return { serve, addresses, ask, seen };
}

test('a redirect leads from a public address to no other kind, by name, by address, or to a file', async () => {
  const { serve, addresses, ask, seen } = await world();
  const inside = await serve('127.0.0.1', (_asked, response) => response.end('secret'));
  const outside = await serve('127.0.0.2', (asked, response) => {
    const to: Record<string, string> = {
      '/address': `http://127.0.0.1:${inside}/`,
      '/name': `http://metadata.example:${inside}/`,
      '/file': 'file:///etc/passwd',
      '/on': '/end',
      '/other': `http://two.example:${outside}/end`,
    };
    const location = to[asked.url ?? ''];
    if (location === undefined) response.end('manifest');
    else response.writeHead(302, { location }).end();
  });
  addresses['one.example'] = ['127.0.0.2'];
  addresses['two.example'] = ['127.0.0.2'];
  addresses['metadata.example'] = ['127.0.0.1'];
  addresses['both.example'] = ['127.0.0.2', '127.0.0.1'];
  const url = `http://one.example:${outside}`;
  for (const rule of [noInternalAfterPublic, () => publicOnly]) {
    for (const path of ['/address', '/name'])
      await expect(ask(url + path, rule()), path).rejects.toMatchObject({
        code: 'manifest',
        message: expect.stringContaining('127.0.0.1, which is not a public address'),
      });
    await expect(ask(`${url}/file`, rule())).rejects.toThrow();
    for (const path of ['/on', '/other'])
      expect(await ask(url + path, rule()), path).toEqual([200, 'manifest']);
    await expect(ask(`http://both.example:${outside}/`, rule())).rejects.toMatchObject({ code: 'manifest' });
  }
  expect(seen.filter((line) => line.startsWith('127.0.0.1') || line.startsWith('metadata'))).toEqual([]);
});

test("what the user named may be on this machine, and lead about it; another's may not", async () => {
  const { serve, addresses, ask, seen } = await world();
  const inside = await serve('127.0.0.1', (asked, response) => {
    if (asked.url === '/a') response.writeHead(302, { location: `http://inside.example:${inside}/b` }).end();
    else response.end('manifest');
  });
  addresses['inside.example'] = ['127.0.0.1'];
  expect(await ask(`http://127.0.0.1:${inside}/a`, noInternalAfterPublic())).toEqual([200, 'manifest']);
  const before = seen.length;
  for (const host of ['127.0.0.1', 'inside.example', '[::ffff:127.0.0.1]'])
    await expect(ask(`http://${host}:${inside}/b`, publicOnly), host).rejects.toMatchObject({
      code: 'manifest',
    });
  expect(seen.length).toBe(before);
});

test('a name that stands for another address the next time is asked each time (DNS rebinding)', async () => {
  const { serve, addresses, ask } = await world();
  const inside = await serve('127.0.0.1', (_asked, response) => response.end('secret'));
  const outside = await serve('127.0.0.2', (_asked, response) => {
    addresses['one.example'] = ['127.0.0.1'];
    response.writeHead(302, { location: `http://one.example:${inside}/` }).end();
  });
  addresses['one.example'] = ['127.0.0.2'];
  await expect(ask(`http://one.example:${outside}/`, noInternalAfterPublic())).rejects.toMatchObject({
    code: 'manifest',
  });
});
