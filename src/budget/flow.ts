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
}

/** A slot given and not yet due. */
export interface Grant {
  flow: Flow;
  due: number;
  epoch: number;
  canary: boolean;
}

/** How many slots the flow has still to ask for. */
export const lacking = (flow: Flow) => Math.max(0, flow.waiters.size - flow.granted - flow.asked);

export const isIdle = (flow: Flow) => flow.waiters.size + flow.granted + flow.asked === 0;

export function insertByDue(grants: Grant[], grant: Grant): void {
  let at = grants.length;
  while (at > 0 && (grants[at - 1]?.due ?? 0) > grant.due) at -= 1;
  grants.splice(at, 0, grant);
  grant.flow.granted += 1;
}
