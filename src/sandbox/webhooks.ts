import { createHmac } from 'node:crypto';
import { request } from 'undici';
import { outcomeOf } from './labels.js';
import type { Store, StoredTask } from './store.js';

/** Waits before the three attempts, in ms. */
const ATTEMPTS = [1_000, 4_000, 16_000];
const ANSWER_MS = 5_000;

/** Sends `task.settled` to a task's callback URL when it settles, signed with its webhook's secret. */
export interface Deliveries {
  schedule(task: StoredTask): void;
  close(): void;
}

export function createDeliveries(store: Store, seed: () => number): Deliveries {
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, run: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  };

  async function deliver(task: StoredTask, attempt: number): Promise<void> {
    const hook = [...store.webhooks.values()].find(
      ({ callback_url, customer }) => callback_url === task.callback_url && customer === task.customer,
    );
    if (hook === undefined) return;
    const outcome = outcomeOf(seed(), task.data_url, task.question, task.options, task.threshold);
    const body = JSON.stringify({
      event: 'task.settled',
      task_id: task.task_id,
      consensus_label: outcome.consensus_label,
      confidence: outcome.confidence,
      bsv_txid: outcome.bsv_txid,
      settled_at: new Date(task.settles).toISOString(),
      timestamp: new Date().toISOString(),
    });
    const signature = `sha256=${createHmac('sha256', hook.secret).update(body).digest('hex')}`;
    const headers = { 'content-type': 'application/json', 'x-asg-signature': signature };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const status = await request(hook.callback_url, { method: 'POST', body, headers, signal }).then(
      async (answer) => {
        await answer.body.dump();
        return answer.statusCode;
      },
      () => 0,
    );
    const wait = ATTEMPTS[attempt];
    if ((status < 200 || status >= 300) && attempt < ATTEMPTS.length && wait !== undefined)
      later(wait, () => void deliver(task, attempt + 1));
  }

  return {
    schedule(task) {
      if (task.callback_url !== null)
        later(Math.max(0, task.settles - Date.now()), () => void deliver(task, 1));
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}
