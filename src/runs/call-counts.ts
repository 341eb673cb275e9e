import type { GatewayCall } from '../gateway/types.js';
import type { RedisClient } from '../redis/connection.js';
import type { RunKeys } from './keys.js';
import { createMessages } from './messages.js';
import type { RunRecord } from './record.js';
import { runScript } from './run-script.js';
import { eventField } from './timeline.js';

const addCalls = runScript('add-calls');
const noteHeld = runScript('note-held');

const BACKOFF = 'backoff_ms';
const POLLS = 'polls';

/**
 * Counts a run's Gateway calls in this process and adds them to the run's record every second and at close. A process
 * killed with 9 takes at most the last second's counts with it; lines and results are never counted here.
 */
export interface CallCounter {
  record(call: GatewayCall): void;
  backoff(ms: number): void;
  /** How long the key's budget has held calls back in all, ms. */
  held(ms: number): void;
  /** Calls per second of this process over the last few checks. */
  pace(): number;
  flush(): Promise<void>;
}

export function createCallCounter(
  redis: RedisClient,
  keys: RunKeys,
  run: Pick<RunRecord, 'startedAt'>,
): CallCounter {
  let pending = new Map<string, number>();
  let events = new Map<string, number>();
  let total = 0;
  let unsent: { number: number; args: (string | number)[] } | null = null;
  const messages = createMessages();
  let [held, noted] = [0, -1];
  const pace = createPace();
  const add = (field: string, n: number, to = pending) => to.set(field, (to.get(field) ?? 0) + n);
  return {
    record(call) {
      total += 1;
      add(`${call.operation}:${call.status}`, 1);
      if (call.operation === 'result') add(POLLS, 1);
      if (call.operation === 'submit' && call.status === 202) add(eventField('submitted', run), 1, events);
      if (call.status === 429) add(eventField('limited', run), 1, events);
    },
    backoff: (ms) => add(BACKOFF, Math.round(ms)),
    held(ms) {
      held = Math.round(ms);
    },
    pace: () => pace(total),
    async flush() {
      if (held !== noted) {
        await noteHeld.run(redis, [keys.calls], [held]);
        noted = held;
      }
      if (unsent === null && pending.size > 0) {
        unsent = { number: messages.next(), args: [pending.size, ...[...pending, ...events].flat()] };
        [pending, events] = [new Map(), new Map()];
      }
      if (unsent === null) return;
      // Counts that could not be sent keep their number: they may have arrived.
      const { number, args } = unsent;
      await addCalls.run(redis, [keys.seen, keys.calls, keys.history], [messages.sender, number, ...args]);
      unsent = null;
    },
  };
}

/** A total's growth per second, over the checks of the last few seconds. */
function createPace(): (total: number) => number {
  const seen: [time: number, total: number][] = [];
  return (total) => {
    const now = performance.now();
    seen.push([now, total]);
    while (seen.length > 2 && now - (seen[0]?.[0] ?? now) > 5_000) seen.shift();
    const [time, before] = seen[0] ?? [now, total];
    return now > time ? ((total - before) / (now - time)) * 1000 : 0;
  };
}

export interface CallCounts {
  gateway_calls: Record<string, Record<string, number>>;
  rate_limited: number;
  backoff_seconds: number;
  stood_still_seconds: number;
  polls: number;
}

export function callCounts(fields: Record<string, string>): CallCounts {
  const counts: CallCounts = {
    gateway_calls: {},
    rate_limited: 0,
    backoff_seconds: 0,
    stood_still_seconds: Math.round(Number(fields.held_to ?? 0) - Number(fields.held_from ?? 0)) / 1000,
    polls: 0,
  };
  for (const [field, text] of Object.entries(fields)) {
    const n = Number(text);
    const [operation, status] = field.split(':');
    if (field === BACKOFF) counts.backoff_seconds = n / 1000;
    else if (field === POLLS) counts.polls = n;
    else if (operation && status) {
      const statuses = counts.gateway_calls[operation] ?? {};
      statuses[status] = n;
      counts.gateway_calls[operation] = statuses;
      if (status === '429') counts.rate_limited += n;
    }
  }
  return counts;
}
