import { setMaxListeners } from 'node:events';
import type { CallKind } from '../budget/index.js';
import { CallInterruptedError } from './gateway-call.js';

/**
 * Each kind of call's leave to wait for a slot. Waiting calls give up when their queue is paused: a pause has effect
 * at once.
 */
export interface CallInterrupts {
  /** The signals of now: one aborts when its gate is shut, and is replaced when it is opened again. */
  readonly signals: Record<CallKind, AbortSignal>;
  interrupt(kind: CallKind): void;
  /** No gate is opened again after `close`. */
  allow(kind: CallKind): void;
  close(): void;
}

export function createCallInterrupts(): CallInterrupts {
  const gates = { submit: newInterrupt(), poll: newInterrupt() };
  let closed = false;
  const shut = (kind: CallKind) => gates[kind].abort(new CallInterruptedError());
  return {
    get signals() {
      return { submit: gates.submit.signal, poll: gates.poll.signal };
    },
    interrupt: shut,
    allow(kind) {
      if (gates[kind].signal.aborted && !closed) gates[kind] = newInterrupt();
    },
    close() {
      closed = true;
      shut('submit');
      shut('poll');
    },
  };
}

/** Every waiting call listens. */
function newInterrupt(): AbortController {
  const gate = new AbortController();
  setMaxListeners(0, gate.signal);
  return gate;
}
