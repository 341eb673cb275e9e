import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import {
  createObjectStores,
  type ObjectStore,
  type ObjectStores,
} from '../../../src/lib/object-stores/index.js';
import { type BreakingProxy, startBreakingProxy } from '../../setup/breaking-proxy.js';
import { startGcsServer } from '../../setup/gcs-server.js';
import { startS3Server } from '../../setup/s3-server.js';

export const BUCKET = 'test-bucket';

export interface TestStore {
  scheme: 's3' | 'gs';
  stores: ObjectStores;
  store: ObjectStore;
  proxy: BreakingProxy;
  endpoint: string;
  /** A prefix that no other test uses, ending in a slash. */
  prefix: string;
  uri(key: string): string;
  put(key: string, content: string | Buffer): Promise<void>;
  text(key: string): Promise<string>;
  keys(): Promise<string[]>;
}

/** A real S3 server and the GCS server of the test tree, each behind a proxy that can break things. */
export function testStores(): Record<'s3' | 'gs', TestStore> {
  const closing: (() => Promise<void>)[] = [];
  const found = {} as Record<'s3' | 'gs', TestStore>;
  beforeAll(async () => {
    // The chain finds these first; the server takes any.
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-east-1',
    });
    const [s3, gs] = await Promise.all([startS3Server(), startGcsServer([BUCKET])]);
    const [s3Proxy, gsProxy] = await Promise.all([
      startBreakingProxy(s3.endpoint),
      startBreakingProxy(gs.endpoint),
    ]);
    await fetch(`${s3.endpoint}/${BUCKET}`, { method: 'PUT' });
    const stores = createObjectStores({ s3Endpoint: s3Proxy.url, gcsEndpoint: gsProxy.url });
    closing.push(() => stores.close(), s3Proxy.close, gsProxy.close, s3.close, gs.close);
    for (const [scheme, proxy] of [
      ['s3', s3Proxy],
      ['gs', gsProxy],
    ] as const)
      Object.assign(found, { [scheme]: await testStore(scheme, stores, proxy) });
    // The first time, the server is downloaded.
  }, 600_000);
  beforeEach(() => {
    for (const each of Object.values(found)) {
      each.proxy.fault = () => null;
      each.prefix = `${randomBytes(4).toString('hex')}/`;
    }
  });
  afterAll(async () => {
    for (const close of closing) await close();
  });
  return found;
}

async function testStore(
  scheme: 's3' | 'gs',
  stores: ObjectStores,
  proxy: BreakingProxy,
): Promise<TestStore> {
  const store = await stores.of(scheme);
  const place = (key: string) => ({ bucket: BUCKET, key: test.prefix + key });
  const test: TestStore = {
    scheme,
    stores,
    store,
    proxy,
    endpoint: proxy.url,
    prefix: '',
    uri: (key) => `${scheme}://${BUCKET}/${test.prefix}${key}`,
    async put(key, content) {
      await store.write(
        place(key),
        (async function* () {
          yield Buffer.from(content);
        })(),
      );
    },
    async text(key) {
      const chunks: Uint8Array[] = [];
      const { version } = await store.head(place(key));
      for await (const chunk of store.read(place(key), 0, version)) chunks.push(chunk);
      return Buffer.concat(chunks).toString('utf8');
    },
    async keys() {
      const keys: string[] = [];
      for await (const { key } of store.list(BUCKET, test.prefix)) keys.push(key.slice(test.prefix.length));
      return keys;
    },
  };
  return test;
}

/** Requests for the bytes of an object, as against its metadata or a list. */
export const asksForBytes = ({
  method,
  url = '',
}: {
  method?: string | undefined;
  url?: string | undefined;
}) =>
  method === 'GET' &&
  (url.includes('alt=media') ||
    (url.includes(BUCKET) && !url.includes('/storage/') && !url.includes('list-type')));
