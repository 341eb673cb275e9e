import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Job, JobEnd, JobProfile } from './jobs/job.js';
import type { Sealer } from './jobs/seal.js';
import { type Journal, noJournal, openJournal, replay } from './journal.js';
import type { Customer, Profile, Spec, Task, Webhook } from './records.js';

type SealedWebhook = Omit<Webhook, 'secret'> & { sealed: string };

/** All that the local Gateway remembers; what it answers for is in the journal before the answer leaves. */
export interface Store {
  readonly tasks: readonly Task[];
  readonly customers: readonly Customer[];
  readonly jobs: ReadonlyMap<string, Job>;
  readonly journal: Journal;
  taskId(task: Task): string;
  task(id: string): Task | undefined;
  spec(spec: Omit<Spec, 'index'>): Spec;
  addTask(customer: Customer, spec: Spec, task: Pick<Task, 'dataUrl' | 'key' | 'created' | 'settles'>): Task;
  addCustomer(profile: Profile): Customer;
  customerByKeyHash(hash: string): Customer | undefined;
  customerByEmail(email: string): Customer | undefined;
  addWebhook(customer: Customer, webhook: Webhook): void;
  removeWebhook(customer: Customer, id: string): void;
  job(id: string): Job | undefined;
  addJob(customer: Customer, spec: Spec, profile: JobProfile): Job;
  endJob(job: Job, end: JobEnd): void;
}

type Entry =
  | ['journal', version: number, tag: string]
  | ['s', string, string, string[], number, string | null]
  | ['c', Profile]
  | ['t', customer: number, spec: number, created: number, settles: number, url: string, key: string | null]
  /** In journals of before, the secret as it is. */
  | ['w', customer: number, Webhook | SealedWebhook]
  | ['u', customer: number, id: string]
  | ['j', customer: number, spec: number, JobProfile]
  | ['e', job: string, JobEnd];

const VERSION = 1;
const SEQUENCE_DIGITS = 10;

export const newId = (prefix: string) => `${prefix}_${randomBytes(9).toString('hex')}`;
export const hashKey = (key: string) => createHash('sha256').update(key).digest('hex');

/**
 * @param sealer seals the secrets of webhooks; one that it cannot open is a webhook that is no longer registered
 * @throws IngestError `sandbox` when the journal in `dir` cannot be understood.
 */
export function openStore(dir: string | null, sealer: Sealer): Store {
  const tasks: Task[] = [];
  const customers: Customer[] = [];
  const specs: Spec[] = [];
  const specsByText = new Map<string, Spec>();
  const byKeyHash = new Map<string, Customer>();
  const byEmail = new Map<string, Customer>();
  const jobs = new Map<string, Job>();
  let tag: string | null = null;

  function at<T>(list: readonly T[], index: number): T {
    const found = list[index];
    if (found === undefined) throw new Error(`refers to ${index}, which was not recorded`);
    return found;
  }
  function putSpec(spec: Omit<Spec, 'index'>): Spec {
    const put = { ...spec, index: specs.length };
    specs.push(put);
    specsByText.set(specText(spec), put);
    return put;
  }
  function putCustomer(profile: Profile): Customer {
    const customer = {
      ...profile,
      index: customers.length,
      tasksByKey: new Map(),
      webhooks: new Map(),
      bought: 0,
    };
    customers.push(customer);
    byKeyHash.set(customer.keyHash, customer);
    byEmail.set(customer.email, customer);
    return customer;
  }
  function putTask(task: Omit<Task, 'sequence'>): Task {
    const { customer, spec, dataUrl, key, created, settles } = task;
    const put = { sequence: tasks.length, customer, spec, dataUrl, key, created, settles };
    tasks.push(put);
    if (key !== null) customer.tasksByKey.set(key, put);
    customer.bought += 1;
    return put;
  }
  function putJob(customer: Customer, spec: Spec, profile: JobProfile): Job {
    const job: Job = { ...profile, customer, spec, end: null, started: false, settles: [], rejected: 0 };
    jobs.set(job.id, job);
    return job;
  }
  function opened(webhook: Webhook | SealedWebhook): Webhook | null {
    if (!('sealed' in webhook)) return webhook;
    const { sealed, ...rest } = webhook;
    try {
      return { ...rest, secret: sealer.open(sealed, webhook.id) };
    } catch {
      return null;
    }
  }
  function apply(value: unknown): void {
    const entry = value as Entry;
    switch (entry[0]) {
      case 't': {
        const [, customer, spec, created, settles, dataUrl, key] = entry;
        putTask({ customer: at(customers, customer), spec: at(specs, spec), dataUrl, key, created, settles });
        break;
      }
      case 's': {
        const [, type, question, options, threshold, callbackUrl] = entry;
        putSpec({ type, question, options, threshold, callbackUrl });
        break;
      }
      case 'c':
        putCustomer(entry[1]);
        break;
      case 'w': {
        const webhook = opened(entry[2]);
        if (webhook !== null) at(customers, entry[1]).webhooks.set(webhook.id, webhook);
        break;
      }
      case 'u':
        at(customers, entry[1]).webhooks.delete(entry[2]);
        break;
      case 'j':
        putJob(at(customers, entry[1]), at(specs, entry[2]), entry[3]);
        break;
      case 'e': {
        const job = jobs.get(entry[1]);
        if (job === undefined) throw new Error(`refers to ${entry[1]}, which was not recorded`);
        job.end = entry[2];
        break;
      }
      case 'journal':
        if (entry[1] !== VERSION) throw new Error(`version ${entry[1]}`);
        tag = entry[2];
        break;
      default:
        throw new Error('unknown record');
    }
  }

  const file = dir === null ? null : path.join(dir, 'journal.jsonl');
  if (file !== null) replay(file, apply);
  const journal = file === null ? noJournal : openJournal(file);
  const record = (entry: Entry) => journal.append(JSON.stringify(entry));
  // Ids of an earlier journal that was lost must not name this one's tasks.
  const idTag = tag ?? randomBytes(4).toString('hex');
  if (tag === null) record(['journal', VERSION, idTag]);
  const idStart = `tsk_${idTag}`;
  const taskId = (task: Task) => idStart + task.sequence.toString(16).padStart(SEQUENCE_DIGITS, '0');

  return {
    tasks,
    customers,
    jobs,
    journal,
    taskId,
    task(id) {
      const found = tasks[Number.parseInt(id.slice(idStart.length), 16)];
      return found !== undefined && taskId(found) === id ? found : undefined;
    },
    spec(spec) {
      const known = specsByText.get(specText(spec));
      if (known !== undefined) return known;
      record(['s', spec.type, spec.question, spec.options, spec.threshold, spec.callbackUrl]);
      return putSpec(spec);
    },
    addTask(customer, spec, { dataUrl, key, created, settles }) {
      record(['t', customer.index, spec.index, created, settles, dataUrl, key]);
      return putTask({ customer, spec, dataUrl, key, created, settles });
    },
    addCustomer(profile) {
      record(['c', profile]);
      return putCustomer(profile);
    },
    customerByKeyHash: (hash) => byKeyHash.get(hash),
    customerByEmail: (email) => byEmail.get(email),
    addWebhook(customer, webhook) {
      const { secret, ...rest } = webhook;
      record(['w', customer.index, { ...rest, sealed: sealer.seal(secret, webhook.id) }]);
      customer.webhooks.set(webhook.id, webhook);
    },
    removeWebhook(customer, id) {
      record(['u', customer.index, id]);
      customer.webhooks.delete(id);
    },
    job: (id) => jobs.get(id),
    addJob(customer, spec, profile) {
      record(['j', customer.index, spec.index, profile]);
      return putJob(customer, spec, profile);
    },
    endJob(job, end) {
      record(['e', job.id, end]);
      job.end = end;
    },
  };
}

const specText = ({ type, question, options, threshold, callbackUrl }: Omit<Spec, 'index'>) =>
  JSON.stringify([type, question, options, threshold, callbackUrl]);
