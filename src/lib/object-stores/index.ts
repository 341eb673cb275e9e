import type { Waits } from '../waits.js';
import type { StoreCredentials } from './credentials.js';
import { openGcs } from './gcs.js';
import type { ObjectStore } from './object-store.js';
import { openS3 } from './s3.js';

export * from './object-store.js';

/** The object stores of a process, each opened at its first use and closed with `close()`. */
export interface ObjectStores {
  of(scheme: 's3' | 'gs'): Promise<ObjectStore>;
  /** Called while a source is waited for, an http one too. */
  readonly waits?: Waits | undefined;
  close(): Promise<void>;
}

export interface ObjectStoreOptions {
  /** Default: `AWS_ENDPOINT_URL_S3`, else the SDK's own. */
  s3Endpoint?: string | null;
  /** Default: `STORAGE_EMULATOR_HOST`, else the SDK's own. */
  gcsEndpoint?: string | null;
  /** Default: the SDKs' own chains. */
  credentials?: StoreCredentials;
  /** Pay for requests to buckets whose owners ask for that. Default false. */
  requesterPays?: boolean;
  waits?: Waits;
}

export function createObjectStores(options: ObjectStoreOptions = {}): ObjectStores {
  const s3Endpoint = options.s3Endpoint || process.env.AWS_ENDPOINT_URL_S3 || null;
  const gcsEndpoint = options.gcsEndpoint || process.env.STORAGE_EMULATOR_HOST || null;
  const { credentials, requesterPays = false } = options;
  const keys = credentials && 'access_key_id' in credentials ? credentials : null;
  const account =
    credentials && 'service_account_json' in credentials ? credentials.service_account_json : null;
  let s3: ReturnType<typeof openS3> | undefined;
  let gcs: ReturnType<typeof openGcs> | undefined;
  return {
    waits: options.waits,
    of(scheme) {
      if (scheme === 's3') {
        s3 ??= openS3(s3Endpoint === null ? null : withScheme(s3Endpoint), { keys, requesterPays });
        return s3;
      }
      gcs ??= openGcs(gcsEndpoint === null ? null : withScheme(gcsEndpoint), {
        serviceAccount: account,
        requesterPays,
      });
      return gcs;
    },
    async close() {
      (await s3)?.close();
      await (await gcs)?.close();
    },
  };
}

/** An emulator's address is often given as `localhost:4443`. */
const withScheme = (endpoint: string) => (/^https?:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`);
