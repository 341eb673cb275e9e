import { randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import split2 from 'split2';

export interface StoredTask {
  task_id: string;
  customer: string;
  idempotency_key: string | null;
  type: string;
  data_url: string;
  question: string;
  options: string[];
  threshold: number;
  callback_url: string | null;
  created: number;
  /** When it settles (epoch ms). */
  settles: number;
}

export interface Customer {
  customer_id: string;
  name: string;
  email: string;
  api_key: string;
  created: number;
}

export interface StoredWebhook {
  webhook_id: string;
  customer: string;
  callback_url: string;
  secret: string;
  events: string[];
}

type Entry =
  | ({ kind: 'task' } & StoredTask)
  | ({ kind: 'customer' } & Customer)
  | ({ kind: 'webhook' } & StoredWebhook)
  | { kind: 'unhook'; webhook_id: string };

/** All that the local Gateway remembers. What it answered for is in the journal before the answer leaves. */
export interface Store {
  tasks: Map<string, StoredTask>;
  customers: Map<string, Customer>;
  webhooks: Map<string, StoredWebhook>;
  taskByKey(customer: string, idempotencyKey: string): StoredTask | undefined;
  bought(customer: string): number;
  add(entry: Entry): void;
  close(): void;
}

export const newId = (prefix: string) => `${prefix}_${randomBytes(9).toString('hex')}`;

export async function openStore(dir: string | null): Promise<Store> {
  const tasks = new Map<string, StoredTask>();
  const keys = new Map<string, StoredTask>();
  const customers = new Map<string, Customer>();
  const webhooks = new Map<string, StoredWebhook>();
  const bought = new Map<string, number>();

  const apply = (entry: Entry) => {
    switch (entry.kind) {
      case 'task': {
        const { kind: _kind, ...task } = entry;
        tasks.set(task.task_id, task);
        if (task.idempotency_key !== null) keys.set(`${task.customer} ${task.idempotency_key}`, task);
        bought.set(task.customer, (bought.get(task.customer) ?? 0) + 1);
        break;
      }
      case 'customer':
        customers.set(entry.api_key, entry);
        break;
      case 'webhook':
        webhooks.set(entry.webhook_id, entry);
        break;
      case 'unhook':
        webhooks.delete(entry.webhook_id);
    }
  };

  const file = dir === null ? null : path.join(dir, 'journal.jsonl');
  if (file !== null) await replay(file, apply);
  const fd = file === null ? null : openSync(file, 'a');
  let open = true;
  return {
    tasks,
    customers,
    webhooks,
    taskByKey: (customer, key) => keys.get(`${customer} ${key}`),
    bought: (customer) => bought.get(customer) ?? 0,
    add(entry) {
      // A write, not a sync: it survives the death of this process, if not of the machine.
      if (fd !== null) writeSync(fd, `${JSON.stringify(entry)}\n`);
      apply(entry);
    },
    close() {
      if (fd !== null && open) closeSync(fd);
      open = false;
    },
  };
}

/** Reads the journal; a last line that was cut off with its process was never answered for, and is cut off here. */
async function replay(file: string, apply: (entry: Entry) => void): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  if (!existsSync(file)) return;
  let whole = 0;
  for await (const line of createReadStream(file).pipe(split2())) {
    try {
      apply(JSON.parse(line as string) as Entry);
    } catch {
      break;
    }
    whole += Buffer.byteLength(line as string) + 1;
  }
  if (statSync(file).size > whole) truncateSync(file, whole);
}
