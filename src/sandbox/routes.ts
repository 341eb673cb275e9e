import { billing } from './billing.js';
import { between, outcomeOf } from './labels.js';
import { DEFAULT_QUOTA, type SandboxOptions } from './options.js';
import { type Customer, newId, type Store, type StoredTask } from './store.js';
import { isObject, taskProblem } from './validate.js';
import type { Deliveries } from './webhooks.js';

export interface Reply {
  status: number;
  body: unknown;
}

export interface World {
  options: SandboxOptions;
  store: Store;
  deliveries: Deliveries;
}

export interface Call {
  customer: Customer;
  body: unknown;
  query: URLSearchParams;
  /** What the path's pattern matched. */
  id: string;
}

type Route = [method: string, path: RegExp, operation: string, handle: (world: World, call: Call) => Reply];

const error = (status: number, text: string): Reply => ({ status, body: { error: text } });
const iso = (ms: number) => new Date(ms).toISOString();
const BATCH_MOST = 1_000;

/** Every documented endpoint that needs a key. */
export const ROUTES: Route[] = [
  ['POST', /^\/v1\/tasks$/, 'submit', submitTask],
  ['GET', /^\/v1\/tasks\/([^/]+)\/result$/, 'result', getResult],
  ['POST', /^\/v1\/tasks\/batch$/, 'batch', submitBatch],
  ['GET', /^\/v1\/tasks\/([^/]+)$/, 'task', getTask],
  ['POST', /^\/v1\/webhooks$/, 'webhook_register', registerWebhook],
  ['GET', /^\/v1\/webhooks$/, 'webhook_list', listWebhooks],
  ['DELETE', /^\/v1\/webhooks\/([^/]+)$/, 'webhook_delete', deleteWebhook],
  ['GET', /^\/v1\/customers\/me$/, 'customer', getCustomer],
  ['GET', /^\/v1\/billing\/usage$/, 'usage', (world, call) => billing.usage(world, call)],
  ['GET', /^\/v1\/billing\/invoices$/, 'invoices', (world, call) => billing.invoices(world, call)],
];

function submitTask(world: World, { customer, body }: Call): Reply {
  const problem = taskProblem(body, callbackUrls(world, customer));
  if (problem !== null) return error(400, problem);
  const wire = body as WireTask;
  const known = wire.idempotency_key
    ? world.store.taskByKey(customer.customer_id, wire.idempotency_key)
    : undefined;
  if (known) return { status: 200, body: { ...created(known), status: statusOf(known), idempotent: true } };
  if (quotaLeft(world, customer) < 1) return error(403, 'quota exhausted');
  return { status: 202, body: created(addTask(world, customer, wire)) };
}

function submitBatch(world: World, { customer, body }: Call): Reply {
  if (!isObject(body) || !Array.isArray(body.tasks)) return error(400, 'tasks must be a list');
  const { tasks, callback_url } = body;
  if (tasks.length === 0 || tasks.length > BATCH_MOST)
    return error(400, `tasks must hold 1 to ${BATCH_MOST}`);
  const wires = tasks.map((task) =>
    isObject(task) && callback_url != null ? { callback_url, ...task } : task,
  );
  const urls = callbackUrls(world, customer);
  for (const [index, task] of wires.entries()) {
    const problem = taskProblem(task, urls);
    if (problem !== null) return error(400, `tasks[${index}]: ${problem}`);
  }
  const fresh = (wires as WireTask[]).filter(
    ({ idempotency_key: key }) => !key || !world.store.taskByKey(customer.customer_id, key),
  );
  if (quotaLeft(world, customer) < fresh.length) return error(403, 'quota exhausted');
  for (const wire of fresh) addTask(world, customer, wire);
  return { status: 202, body: { batch_id: newId('bat'), task_count: wires.length, status: 'accepted' } };
}

interface WireTask {
  type: string;
  data_url: string;
  label_spec: { question: string; options: string[] };
  consensus_threshold?: number | null;
  callback_url?: string | null;
  idempotency_key?: string | null;
}

function addTask({ store, options, deliveries }: World, customer: Customer, wire: WireTask): StoredTask {
  const now = Date.now();
  const task: StoredTask = {
    task_id: newId('tsk'),
    customer: customer.customer_id,
    idempotency_key: wire.idempotency_key || null,
    type: wire.type,
    data_url: wire.data_url,
    question: wire.label_spec.question,
    options: wire.label_spec.options,
    threshold: wire.consensus_threshold ?? 3,
    callback_url: wire.callback_url ?? null,
    created: now,
    settles: Math.round(now + between(options.settle, Math.random)),
  };
  store.add({ kind: 'task', ...task });
  deliveries.schedule(task);
  return task;
}

const created = (task: StoredTask) => ({
  task_id: task.task_id,
  status: 'pending',
  created_at: iso(task.created),
});

function statusOf(task: StoredTask): string {
  const now = Date.now();
  if (now >= task.settles) return 'settled';
  return now < task.created + (task.settles - task.created) / 10 ? 'pending' : 'in_progress';
}

function getTask(world: World, call: Call): Reply {
  const task = taskOf(world, call);
  if (task === undefined) return error(404, 'task not found');
  const { task_id, type, data_url } = task;
  return {
    status: 200,
    body: { task_id, status: statusOf(task), task_type: type, data_url, created_at: iso(task.created) },
  };
}

function getResult(world: World, call: Call): Reply {
  const task = taskOf(world, call);
  if (task === undefined) return error(404, 'task not found');
  if (Date.now() < task.settles)
    return { status: 202, body: { status: 'in_progress', message: 'still being labeled' } };
  const { bsv_txid, cost_sats, ...outcome } = outcomeOf(
    world.options.seed,
    task.data_url,
    task.question,
    task.options,
    task.threshold,
  );
  const settled_at = iso(task.settles);
  const body = {
    task_id: task.task_id,
    status: 'settled',
    ...outcome,
    created_at: iso(task.created),
    settled_at,
    bsv_txid,
    cost_sats,
    settlement: { bsv_txid, total_cost_sats: cost_sats, settled_at },
  };
  return { status: 200, body };
}

const taskOf = ({ store }: World, { id, customer }: Call): StoredTask | undefined => {
  const task = store.tasks.get(id);
  return task?.customer === customer.customer_id ? task : undefined;
};

const hooksOf = ({ store }: World, customer: Customer) =>
  [...store.webhooks.values()].filter((hook) => hook.customer === customer.customer_id);

const callbackUrls = (world: World, customer: Customer): Set<string> =>
  world.store.webhooks.size === 0
    ? NO_URLS
    : new Set(hooksOf(world, customer).map((hook) => hook.callback_url));
const NO_URLS = new Set<string>();

function registerWebhook({ store }: World, { customer, body }: Call): Reply {
  if (!isObject(body)) return error(400, 'the body must be an object');
  const { callback_url, secret, events = ['task.settled'] } = body;
  if (typeof callback_url !== 'string' || !URL.canParse(callback_url))
    return error(400, 'callback_url must be a URL');
  if (typeof secret !== 'string' || secret === '') return error(400, 'secret is required');
  if (!Array.isArray(events)) return error(400, 'events must be a list');
  const hook = {
    webhook_id: newId('whk'),
    customer: customer.customer_id,
    callback_url,
    secret,
    events: events as string[],
  };
  store.add({ kind: 'webhook', ...hook });
  return { status: 201, body: shown(hook) };
}

const shown = (hook: { webhook_id: string; callback_url: string; events: string[] }) => ({
  webhook_id: hook.webhook_id,
  callback_url: hook.callback_url,
  events: hook.events,
  active: true,
});

function listWebhooks(world: World, { customer }: Call): Reply {
  return { status: 200, body: hooksOf(world, customer).map(shown) };
}

function deleteWebhook(world: World, { customer, id }: Call): Reply {
  if (!hooksOf(world, customer).some((hook) => hook.webhook_id === id))
    return error(404, 'webhook not found');
  world.store.add({ kind: 'unhook', webhook_id: id });
  return { status: 200, body: { deleted: true } };
}

export const quotaLeft = ({ options, store }: World, customer: Customer): number =>
  Math.max(0, (options.quota ?? DEFAULT_QUOTA) - store.bought(customer.customer_id));

function getCustomer(world: World, { customer }: Call): Reply {
  const { customer_id, name, email, created: at, api_key } = customer;
  const api_key_hint = `…${api_key.slice(-4)}`;
  const tier = api_key.startsWith('sk_live_') ? 'live' : 'sandbox';
  const label_quota = quotaLeft(world, customer);
  return {
    status: 200,
    body: { customer_id, name, email, tier, label_quota, created_at: Math.floor(at / 1000), api_key_hint },
  };
}

/** `POST /v1/customers`, which needs no key. */
export function registerCustomer(world: World, body: unknown): Reply {
  if (!isObject(body) || typeof body.name !== 'string' || body.name === '')
    return error(400, 'name is required');
  const { name, email } = body;
  if (typeof email !== 'string' || !email.includes('@')) return error(400, 'email must be an address');
  if ([...world.store.customers.values()].some((customer) => customer.email === email))
    return error(409, 'email already registered');
  const customer = {
    customer_id: newId('cus'),
    name,
    email,
    api_key: newId('sk_sandbox'),
    created: Date.now(),
  };
  world.store.add({ kind: 'customer', ...customer });
  const { customer_id, api_key } = customer;
  const label_quota = quotaLeft(world, customer);
  return {
    status: 201,
    body: { customer_id, api_key, tier: 'sandbox', label_quota, message: 'keep the key: it is shown once' },
  };
}

/** The customer of a key; any well-formed key has one. */
export function customerOf({ store }: World, authorization: string | undefined): Customer | null {
  const key = /^Bearer (sk_(?:sandbox|live)_\S+)$/.exec(authorization ?? '')?.[1];
  if (key === undefined) return null;
  let customer = store.customers.get(key);
  if (customer === undefined) {
    customer = {
      customer_id: newId('cus'),
      name: 'local',
      email: `${newId('local')}@example.org`,
      api_key: key,
      created: Date.now(),
    };
    store.add({ kind: 'customer', ...customer });
  }
  return customer;
}
