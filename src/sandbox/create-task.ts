import type { SandboxContext } from './context.js';
import type { Customer, Task } from './records.js';
import { settleMs } from './settle-time.js';
import type { WireTask } from './validate.js';

export const isRegistered = (customer: Customer) => (url: string) => {
  for (const webhook of customer.webhooks.values()) if (webhook.url === url) return true;
  return false;
};

/** The task that was bought under the same key. */
export const known = (customer: Customer, { idempotency_key: key }: WireTask): Task | undefined =>
  key == null ? undefined : customer.tasksByKey.get(key);

export function createTask(
  { store, options, deliveries }: Pick<SandboxContext, 'store' | 'options' | 'deliveries'>,
  customer: Customer,
  wire: WireTask,
): Task {
  const created = Date.now();
  const key = wire.idempotency_key ?? null;
  const spec = store.spec({
    type: wire.type,
    question: wire.label_spec.question,
    options: wire.label_spec.options,
    threshold: wire.consensus_threshold ?? 3,
    callbackUrl: wire.callback_url ?? null,
  });
  const settles = created + settleMs(options, `${wire.data_url} ${key}`);
  const task = store.addTask(customer, spec, { dataUrl: wire.data_url, key, created, settles });
  deliveries.schedule(task);
  return task;
}
