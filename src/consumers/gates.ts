import { setMaxListeners } from 'node:events';
import type { CallKind } from '../budget/index.js';
import { CallHeldError } from './gateway-call.js';

/**
 * Each kind of call's leave to wait for a slot. Calls that wait give up when their queue stands still: a pause is felt at
 * once.
 */
export interface Gates {
  /** The signals of now: one aborts when its gate is shut, and is replaced when it is opened again. */
  readonly signals: Record<CallKind, AbortSignal>;
  shut(kind: CallKind): void;
  /** No gate is opened again after `close`. */
  open(kind: CallKind): void;
  close(): void;
}

export function createGates(): Gates {
  const gates = { submit: newGate(), poll: newGate() };
  let closed = false;
  const shut = (kind: CallKind) => gates[kind].abort(new CallHeldError());
  return {
    get signals() {
      return { submit: gates.submit.signal, poll: gates.poll.signal };
    },
    shut,
    open(kind) {
      if (gates[kind].signal.aborted && !closed) gates[kind] = newGate();
    },
    close() {
      closed = true;
      shut('submit');
      shut('poll');
    },
  };
}

/** Every waiting call listens. */
function newGate(): AbortController {
  const gate = new AbortController();
  setMaxListeners(0, gate.signal);
  return gate;
}
