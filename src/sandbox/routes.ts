import type { Endpoint } from './context.js';
import { getInvoices, getUsage } from './endpoints/billing.js';
import { getCustomer } from './endpoints/customers.js';
import { createJob, getJob } from './endpoints/jobs.js';
import { submitBatch, submitTask } from './endpoints/submit.js';
import { getResult, getTask } from './endpoints/tasks.js';
import { deleteWebhook, listWebhooks, registerWebhook } from './endpoints/webhooks.js';

export interface Route {
  /** Its name in `stats().calls`. */
  operation: string;
  endpoint: Endpoint;
}

type Methods = Partial<Record<string, Route>>;

/** Every documented path that needs a key; `*` matches an id. */
const PATHS: Record<string, Methods> = {
  '/v1/tasks': { POST: { operation: 'submit', endpoint: submitTask } },
  '/v1/tasks/batch': { POST: { operation: 'batch', endpoint: submitBatch } },
  '/v1/tasks/*': { GET: { operation: 'task', endpoint: getTask } },
  '/v1/tasks/*/result': { GET: { operation: 'result', endpoint: getResult } },
  '/v1/webhooks': {
    POST: { operation: 'webhook_register', endpoint: registerWebhook },
    GET: { operation: 'webhook_list', endpoint: listWebhooks },
  },
  '/v1/webhooks/*': { DELETE: { operation: 'webhook_delete', endpoint: deleteWebhook } },
  '/v1/jobs': { POST: { operation: 'job_create', endpoint: createJob } },
  '/v1/jobs/*': { GET: { operation: 'job_get', endpoint: getJob } },
  '/v1/customers/me': { GET: { operation: 'customer', endpoint: getCustomer } },
  '/v1/billing/usage': { GET: { operation: 'usage', endpoint: getUsage } },
  '/v1/billing/invoices': { GET: { operation: 'invoices', endpoint: getInvoices } },
};

const PATH_WITH_ID = /^(\/v1\/(?:tasks|webhooks|jobs)\/)([^/]+)(\/result)?$/;

/** The methods of a path, and the id in it; null when there is no such path. */
export function findPath(path: string): { methods: Methods; id: string } | null {
  const exact = PATHS[path];
  if (exact !== undefined) return { methods: exact, id: '' };
  const match = PATH_WITH_ID.exec(path);
  if (match === null) return null;
  const methods = PATHS[`${match[1]}*${match[3] ?? ''}`];
  return methods === undefined ? null : { methods, id: match[2] ?? '' };
}
