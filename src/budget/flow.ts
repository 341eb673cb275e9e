import type { CallKind, Slot } from './types.js';

export interface Waiter {
  resolve(slot: Slot): void;
  reject(error: unknown): void;
}

/** The calls of one kind of one run, in this process. */
export interface Flow {
  id: string;
  kind: CallKind;
  weight: number;
  /** In the order they came; who waits longest takes the slot that is due. */
  waiters: Set<Waiter>;
  /** Slots given and not yet due, and slots asked for. */
  granted: number;
  asked: number;
  askAt: number;
  /** With no limit in force: slots to use at any time before `stockUntil`, and those used since the last ask. */
  stock: number;
  stockUntil: number;
  stockEpoch: number;
  used: number;
}

export const newFlow = (id: string, kind: CallKind): Flow => ({
  id,
  kind,
  weight: 1,
  waiters: new Set(),
  granted: 0,
  asked: 0,
  askAt: 0,
  stock: 0,
  stockUntil: 0,
  stockEpoch: 0,
  used: 0,
});

/** A slot given and not yet due. */
export interface Grant {
  flow: Flow;
  due: number;
  epoch: number;
  canary: boolean;
  /** A slot used later than this (ms) after its due time would be part of a burst: drop it, ask again. */
  late: number;
}

/** How many slots the flow has still to ask for. */
export const unrequested = (flow: Flow) => Math.max(0, flow.waiters.size - flow.granted - flow.asked);

export const isIdle = (flow: Flow) => flow.waiters.size + flow.granted + flow.asked === 0;

export function insertByDue(grants: Grant[], grant: Grant): void {
  let at = grants.length;
  while (at > 0 && (grants[at - 1]?.due ?? 0) > grant.due) at -= 1;
  grants.splice(at, 0, grant);
  grant.flow.granted += 1;
}

export function rejectAll(flows: Iterable<Flow>, error: unknown): void {
  for (const flow of flows) {
    for (const waiter of flow.waiters) waiter.reject(error);
    flow.waiters.clear();
  }
}

/**
 * Lets go of waiters whose signal aborts. One listener for each signal, however many wait by it: a run's signal is that of
 * hundreds of calls a second.
 */
export function abortable(): {
  watch(signal: AbortSignal, flow: Flow, waiter: Waiter): void;
  forget(signal: AbortSignal, waiter: Waiter): void;
} {
  const watched = new WeakMap<AbortSignal, Map<Waiter, Flow>>();
  return {
    watch(signal, flow, waiter) {
      let waiting = watched.get(signal);
      if (waiting === undefined) {
        const all = new Map<Waiter, Flow>();
        waiting = all;
        watched.set(signal, all);
        const abort = () => {
          for (const [each, of] of all) {
            of.waiters.delete(each);
            each.reject(signal.reason);
          }
          all.clear();
        };
        signal.addEventListener('abort', abort, { once: true });
      }
      waiting.set(waiter, flow);
    },
    forget: (signal, waiter) => void watched.get(signal)?.delete(waiter),
  };
}
