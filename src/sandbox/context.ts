import type { Reply } from './http.js';
import type { Jobs } from './jobs/job.js';
import type { Sealer } from './jobs/seal.js';
import { DEFAULT_QUOTA, type SandboxOptions } from './options.js';
import type { Customer } from './records.js';
import type { Store } from './store.js';
import type { Deliveries } from './webhooks.js';

/** The parts that the endpoints work on. */
export interface SandboxContext {
  options: SandboxOptions;
  store: Store;
  deliveries: Deliveries;
  jobs: Jobs;
  sealer: Sealer;
}

/** A call whose key was accepted. */
export interface Call {
  customer: Customer;
  /** Parsed; undefined where the method has none. */
  body: unknown;
  /** The text after `?`. */
  search: string;
  /** The part of the path that names a resource. */
  id: string;
}

export type Endpoint = (world: SandboxContext, call: Call) => Reply;

export const quotaLeft = (
  { options }: Pick<SandboxContext, 'options'>,
  customer: Pick<Customer, 'bought'>,
): number => Math.max(0, (options.quota ?? DEFAULT_QUOTA) - customer.bought);
