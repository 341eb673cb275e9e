import type { GatewayCall } from '../gateway/types.js';
import type { Answer } from './ask.js';
import {
  abortable,
  type Flow,
  type Grant,
  insertByDue,
  isIdle,
  newFlow,
  rejectAll,
  type Waiter,
} from './flow.js';
import type { Outcome } from './reports.js';
import type { AcquireOptions, CallKind, Slot } from './types.js';

const TIMER_GRAIN_MS = 0.5;
/** How long slots that no limit paces may lie in stock; and how many, against those used since the last ask. */
const STOCK_MS = 250;
const STOCK_SHARE = 2;
const MOST_IN_STOCK = 1000;
/** The process never waits longer, at any setting of the clocks, before it asks again. */
const LONGEST_WAIT_MS = 5000;

/**
 * Callers of this process wait here for slots, which are handed out when due. This module does not know Redis; it
 * knows the slots that were given and the slots still to ask for.
 */
export interface SlotQueue {
  readonly flows: ReadonlyMap<string, Flow>;
  /** Queues a caller; false: a slot from the stock was handed out at once, and there is nothing to ask for. */
  wait(kind: CallKind, options: AcquireOptions, waiter: Waiter): boolean;
  /** Hands out the slots that are due. */
  releaseDue(): void;
  /** How many slots to ask for in a flow: for waiting callers and, with no limit in force, some more. */
  wanted(flow: Flow): number;
  /** Takes in what a flow was given; `offset` turns Redis' time into ours. */
  give(flow: Flow, slots: Answer['slots'][number], answer: Answer, offset: number): void;
  /** Drops unused slots of epochs before `valid`. */
  dropStaleGrants(valid: number): void;
  /** When the next slot is due; Infinity when there is none. */
  nextDue(): number;
  rejectAll(error: unknown): void;
  /** Forgets unused flows: runs come and go. */
  tidy(): void;
}

export function createSlotQueue(
  now: () => number,
  ended: (outcome: Outcome) => void,
  unused: (slots: number) => void,
): SlotQueue {
  const flows = new Map<string, Flow>();
  const grants: Grant[] = [];
  const signals = abortable();
  let valid = 0;
  let paced = true;

  function flowOf(kind: CallKind, { run = '', weight = 1 }: AcquireOptions): Flow {
    const id = `${kind}:${run}`;
    let flow = flows.get(id);
    if (!flow) {
      flow = newFlow(id, kind);
      flows.set(id, flow);
    }
    flow.weight = weight;
    return flow;
  }

  function slotOf(epoch: number, canary: boolean): Slot {
    let used = false;
    const end = (call: GatewayCall | undefined) => {
      if (used) return;
      used = true;
      ended({ epoch, canary, call });
    };
    return { report: end, release: () => end(undefined) };
  }

  /** Hands a due slot to the caller that waits longest; a slot that no caller can use in time expires. */
  function deliver(flow: Flow, epoch: number, canary: boolean, inTime: boolean): boolean {
    const [waiter] = flow.waiters;
    if (!waiter || !(canary || (inTime && epoch >= valid))) {
      if (canary) ended({ epoch, canary, call: undefined });
      return false;
    }
    flow.waiters.delete(waiter);
    flow.used += 1;
    waiter.resolve(slotOf(epoch, canary));
    return true;
  }

  const inStock = (flow: Flow) =>
    flow.stock > 0 && flow.stockUntil > now() && flow.stockEpoch >= valid ? flow.stock : 0;

  function stockUp(flow: Flow, n: number, epoch: number): void {
    let left = inStock(flow) + n;
    while (left > 0 && deliver(flow, epoch, false, true)) left -= 1;
    flow.stock = left;
    flow.stockUntil = now() + STOCK_MS;
    flow.stockEpoch = epoch;
  }

  return {
    flows,
    wait(kind, options, caller) {
      const flow = flowOf(kind, options);
      if (inStock(flow) > 0) {
        flow.stock -= 1;
        flow.used += 1;
        caller.resolve(slotOf(flow.stockEpoch, false));
        return false;
      }
      const { signal } = options;
      if (signal === undefined) {
        flow.waiters.add(caller);
        return true;
      }
      const waiter: Waiter = {
        resolve(slot) {
          signals.forget(signal, waiter);
          caller.resolve(slot);
        },
        reject(error) {
          signals.forget(signal, waiter);
          caller.reject(error);
        },
      };
      signals.watch(signal, flow, waiter);
      flow.waiters.add(waiter);
      return true;
    },
    releaseDue() {
      const time = now();
      let [count, wasted] = [0, 0];
      for (const grant of grants) {
        if (grant.due > time + TIMER_GRAIN_MS) break;
        count += 1;
        grant.flow.granted -= 1;
        if (!deliver(grant.flow, grant.epoch, grant.canary, time - grant.due <= grant.late)) wasted += 1;
      }
      if (wasted > 0) unused(wasted);
      if (count > 0) grants.splice(0, count);
    },
    wanted(flow) {
      const waiting = Math.max(0, flow.waiters.size - flow.granted - flow.asked);
      if (paced || waiting === 0) return waiting;
      return waiting + Math.min(MOST_IN_STOCK, STOCK_SHARE * flow.used);
    },
    give(flow, slots, answer, offset) {
      paced = answer.paced;
      flow.askAt = slots.wait > 0 ? now() + Math.min(slots.wait, LONGEST_WAIT_MS) : 0;
      if (answer.canary) {
        if (slots.n > 0) deliver(flow, answer.epoch, true, true);
      } else if (!answer.paced) {
        stockUp(flow, slots.n, answer.epoch);
      } else {
        for (let n = 0; n < slots.n; n += 1)
          insertByDue(grants, {
            flow,
            due: slots.at + n * slots.step + offset,
            epoch: answer.epoch,
            canary: false,
            late: answer.late,
          });
      }
    },
    dropStaleGrants(before) {
      if (before <= valid) return;
      valid = before;
      let kept = 0;
      for (const grant of grants) {
        if (grant.epoch >= valid) grants[kept++] = grant;
        else grant.flow.granted -= 1;
      }
      if (kept < grants.length) unused(grants.length - kept);
      grants.length = kept;
    },
    nextDue: () => grants[0]?.due ?? Number.POSITIVE_INFINITY,
    rejectAll(error) {
      rejectAll(flows.values(), error);
    },
    tidy() {
      for (const flow of flows.values()) if (isIdle(flow) && inStock(flow) === 0) flows.delete(flow.id);
    },
  };
}
