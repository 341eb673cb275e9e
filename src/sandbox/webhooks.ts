import { createHmac } from 'node:crypto';
import { Agent } from 'undici';
import { guardedConnect } from '../lib/net/guarded-connect.js';
import { isLoopback } from '../lib/net/hosts.js';
import { consensusOf, txidOf } from './labels.js';
import type { SandboxOptions } from './options.js';
import { between, happens, randomFrom } from './random.js';
import type { Task } from './records.js';
import type { Store } from './store.js';

const CONNECTIONS = 32;
const ANSWER_MS = 5_000;
const EVENT = 'task.settled';

/**
 * Sends `task.settled` to a task's callback URL when it settles, signed with its webhook's secret: one attempt, and
 * one more after each of `webhookWaitsMs`, then none. Results while the process is down stay undelivered, as the
 * documentation allows.
 */
export interface Deliveries {
  /** Attempts since the start. */
  readonly attempts: { delivered: number; failed: number };
  schedule(task: Task): void;
  close(): Promise<void>;
}

export function createDeliveries(
  store: Store,
  options: Pick<
    SandboxOptions,
    | 'seed'
    | 'webhookWaitsMs'
    | 'webhookDrop'
    | 'webhookDuplicate'
    | 'webhookDelay'
    | 'host'
    | 'allowInternalAddresses'
  >,
): Deliveries {
  // When the Gateway listens only on loopback, its callers are on this machine, so callbacks may go to this machine
  // too.
  const local = isLoopback(options.host);
  const connect = guardedConnect(
    (kind) => options.allowInternalAddresses || kind === 'public' || (local && kind === 'loopback'),
  );
  const agent = new Agent({ connections: CONNECTIONS, connect });
  const attempts = { delivered: 0, failed: 0 };
  const timers = new Set<NodeJS.Timeout>();
  const chance = randomFrom(`${options.seed} webhooks`);
  let closing: Promise<void> | undefined;

  function later(ms: number, run: () => void): void {
    if (closing !== undefined) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  }

  async function post(url: string, headers: Record<string, string>, body: string): Promise<boolean> {
    const { origin, pathname, search } = new URL(url);
    const signal = AbortSignal.timeout(ANSWER_MS);
    try {
      const answer = await agent.request({
        origin,
        path: pathname + search,
        method: 'POST',
        headers,
        body,
        signal,
      });
      await answer.body.dump();
      return answer.statusCode >= 200 && answer.statusCode < 300;
    } catch {
      return false; // No answer counts as a refusal.
    }
  }

  async function attempt(task: Task, failed: number): Promise<void> {
    const { customer, spec } = task;
    const webhook = [...customer.webhooks.values()].find(({ url }) => url === spec.callbackUrl);
    if (webhook === undefined || !webhook.events.includes(EVENT)) return;
    const { label, confidence } = consensusOf(options.seed, task);
    const body = JSON.stringify({
      event: EVENT,
      task_id: store.taskId(task),
      consensus_label: label,
      confidence,
      bsv_txid: txidOf(options.seed, task),
      settled_at: new Date(task.settles).toISOString(),
      timestamp: new Date().toISOString(),
    });
    const signature = `sha256=${createHmac('sha256', webhook.secret).update(body).digest('hex')}`;
    const headers = { 'content-type': 'application/json', 'x-asg-signature': signature };
    const delivered = await post(webhook.url, headers, body);
    attempts[delivered ? 'delivered' : 'failed'] += 1;
    const wait = options.webhookWaitsMs[failed];
    if (!delivered && wait !== undefined) later(wait, () => void attempt(task, failed + 1));
  }

  return {
    attempts,
    schedule(task) {
      if (task.spec.callbackUrl === null || happens(options.webhookDrop, chance)) return;
      const times = happens(options.webhookDuplicate, chance) ? 2 : 1;
      const waitMs = Math.max(0, task.settles - Date.now()) + between(options.webhookDelay, chance);
      for (let n = 0; n < times; n += 1) later(waitMs, () => void attempt(task, 0));
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
      closing ??= agent.destroy();
      return closing;
    },
  };
}
