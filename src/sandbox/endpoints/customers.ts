import { type Endpoint, quotaLeft, type SandboxContext } from '../context.js';
import { failure, type Reply, reply } from '../http.js';
import type { Customer } from '../records.js';
import { hashKey, newId } from '../store.js';
import { isObject } from '../validate.js';

/** The one endpoint that needs no key. */
export function registerCustomer(world: SandboxContext, body: unknown): Reply {
  const { store } = world;
  if (!isObject(body) || typeof body.name !== 'string' || body.name === '')
    return failure(400, 'name is required');
  const { name, email } = body;
  if (typeof email !== 'string' || !/^[^@\s]+@[^@\s]+$/.test(email))
    return failure(400, 'email must be an address');
  if (store.customerByEmail(email) !== undefined) return failure(409, 'email already registered');
  const key = newId('sk_sandbox');
  const customer = addCustomer(world, key, { name, email });
  return reply(201, {
    customer_id: customer.id,
    api_key: key,
    tier: customer.tier,
    label_quota: quotaLeft(world, customer),
    message: 'Keep the key: it is shown this once.',
  });
}

export const getCustomer: Endpoint = (world, { customer }) =>
  reply(200, {
    customer_id: customer.id,
    name: customer.name,
    email: customer.email,
    tier: customer.tier,
    label_quota: quotaLeft(world, customer),
    created_at: Math.floor(customer.created / 1000),
    api_key_hint: customer.keyHint,
  });

/** The e-mail domain of customers that no one registered. */
const LOCAL = '@sandbox.invalid';
const MOST_REMEMBERED = 10_000;

/** The customer of the key in an `Authorization` header; a new well-formed key makes its customer. */
export function createKeyring(world: SandboxContext): (authorization: string | undefined) => Customer | null {
  // Spares the hash for each call. An accepted key stays so unless `apiKeys` changes, hence the second field.
  const remembered = new Map<string, { customer: Customer; apiKeys: string[] | null }>();

  return (authorization = '') => {
    const { apiKeys } = world.options;
    const before = remembered.get(authorization);
    if (before !== undefined && before.apiKeys === apiKeys) return before.customer;
    const key = /^Bearer (sk_(?:sandbox|live)_[\w.-]+)$/i.exec(authorization)?.[1];
    if (key === undefined) return null;
    const known = world.store.customerByKeyHash(hashKey(key));
    const isRegistered = known !== undefined && !known.email.endsWith(LOCAL);
    if (apiKeys !== null && !apiKeys.includes(key) && !isRegistered) return null;
    const customer = known ?? addCustomer(world, key, { name: 'local', email: newId('local') + LOCAL });
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(authorization, { customer, apiKeys });
    return customer;
  };
}

function addCustomer(
  world: SandboxContext,
  key: string,
  { name, email }: { name: string; email: string },
): Customer {
  return world.store.addCustomer({
    id: newId('cus'),
    name,
    email,
    tier: key.startsWith('sk_live_') ? 'live' : 'sandbox',
    keyHash: hashKey(key),
    keyHint: `…${key.slice(-4)}`,
    created: Date.now(),
  });
}
