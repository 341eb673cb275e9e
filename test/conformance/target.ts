import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { afterAll, beforeAll, onTestFinished, type TestContext } from 'vitest';
import { type LiveOptions, startSandbox } from '../../src/sandbox/index.js';
import { tries } from '../setup/tries.js';

/** Of the local Gateway: long enough to see a task before it is labeled. */
const SETTLE = { minMs: 400, maxMs: 400 };
/** Nothing leaves this machine. */
const NO_STORES = { s3Endpoint: 'http://127.0.0.1:1', gcsEndpoint: 'http://127.0.0.1:1' };
/** How long a Gateway may take to settle a task before the cases that need a result give up. */
const PATIENCE_MS = 100_000;

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: any answer of any Gateway, before its shape is checked
  body: any;
  headers: IncomingHttpHeaders;
}

export interface Delivery {
  headers: IncomingHttpHeaders;
  body: string;
}

/**
 * The Gateway under test: the one that `npm run conformance` was pointed at, else a local one. Its key is the given
 * one, else a new customer's.
 */
export function conformanceTarget() {
  const target = { url: process.env.ASG_CONFORMANCE_URL ?? '', key: process.env.ASG_CONFORMANCE_KEY ?? '' };
  const run = randomBytes(6).toString('hex');
  let turnable = false;
  let serial = 0;
  const fresh = () => `${run}-${++serial}`;

  async function call(method: string, path: string, body?: unknown, key: string | null = target.key) {
    const answer = await request(`${target.url}${path}`, {
      method: method as 'GET',
      headers: key === null ? {} : { authorization: `Bearer ${key}` },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    const parsed: unknown = text === '' ? null : JSON.parse(text);
    return { status: answer.statusCode, headers: answer.headers, body: parsed } as Answer;
  }
  const get = (path: string, key?: string | null) => call('GET', path, undefined, key);
  const post = (path: string, body: unknown, key?: string | null) => call('POST', path, body, key);

  beforeAll(async () => {
    if (target.url === '') {
      const sandbox = await startSandbox({
        port: 0,
        settle: SETTLE,
        verifiedForMs: 150,
        control: true,
        allowInternalAddresses: true,
        ...NO_STORES,
      });
      afterAll(() => sandbox.close());
      target.url = sandbox.url;
    }
    target.url = target.url.replace(/\/+$/, '');
    const control = await request(`${target.url}/__sandbox/stats`).catch(() => null);
    await control?.body.dump();
    turnable = control?.statusCode === 200;
    if (target.key === '') {
      const email = `${run}@conformance.example`;
      target.key = (await post('/v1/customers', { name: 'conformance', email }, null)).body.api_key;
    }
  });

  return {
    get url() {
      return target.url;
    },
    get key() {
      return target.key;
    },
    fresh,
    call,
    get,
    post,
    delete: (path: string) => call('DELETE', path),
    task: (extra: object = {}) => ({
      type: 'image_classification',
      data_url: `https://images.example.org/${fresh()}.jpg`,
      label_spec: { question: 'Which animal?', options: ['cat', 'dog', 'bird'] },
      ...extra,
    }),
    quota: async () => (await get('/v1/customers/me')).body.label_quota as number,
    register: async () => {
      const email = `${fresh()}@conformance.example`;
      return (await post('/v1/customers', { name: 'conformance', email }, null)).body.api_key as string;
    },
    /** Turns the local Gateway for one case; the case is skipped where the Gateway cannot be turned. */
    async turn(context: TestContext, patch: Partial<LiveOptions>, back: Partial<LiveOptions>) {
      context.skip(!turnable, 'only a local Gateway can be turned');
      const set = (options: Partial<LiveOptions>) =>
        request(`${target.url}/__sandbox/set`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(options),
        });
      await set(patch);
      onTestFinished(async () => void (await set(back)));
    },
    /** Skips the case where the Gateway cannot reach this machine. */
    needsLoopback(context: TestContext) {
      const { hostname } = new URL(target.url);
      context.skip(!/^(127\.|localhost$|\[::1\]$)/.test(hostname), 'the Gateway cannot reach this machine');
    },
    /** Answers polls until there is a result that `wanted` takes. */
    async result(task_id: string, wanted: (body: Answer['body']) => boolean = () => true): Promise<Answer> {
      let answer: Answer | undefined;
      await tries(PATIENCE_MS, async () => {
        answer = await get(`/v1/tasks/${task_id}/result`);
        return answer.status === 200 && wanted(answer.body);
      });
      if (answer === undefined) throw new Error('no result');
      return answer;
    },
  };
}

/** Takes deliveries on loopback, answers them with `status`, and keeps them. */
export async function receiver(status = 200) {
  const deliveries: Delivery[] = [];
  const server = createServer(async (incoming, response) => {
    let body = '';
    for await (const chunk of incoming) body += chunk;
    deliveries.push({ headers: incoming.headers, body });
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    deliveries,
    arrived: (count: number) => tries(PATIENCE_MS, async () => deliveries.length >= count),
  };
}

export const signatureOf = (body: string, secret: string) =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
