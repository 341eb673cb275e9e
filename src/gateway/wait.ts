import { setMaxListeners } from 'node:events';

/** Node's timers fire at once when asked for more. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface Deadline {
  /** Aborts with the parent's reason, or with the error made when the time is up. */
  readonly signal: AbortSignal;
  /** To be called when the work is over, however it ended. */
  clear(): void;
}

/** A signal for one piece of work: it is cut off by its parent, or when `ms` have passed. */
export function startDeadline(
  ms: number,
  parent: AbortSignal | undefined,
  timedOut: (cause: DOMException) => Error,
): Deadline {
  const controller = new AbortController();
  const follow = () => controller.abort(parent?.reason);
  const expire = () => controller.abort(timedOut(new DOMException(`${ms} ms have passed`, 'TimeoutError')));
  const timer = setTimeout(expire, Math.min(ms, LONGEST_TIMER_MS));
  if (parent?.aborted) follow();
  else listen(parent, follow);
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      parent?.removeEventListener('abort', follow);
    },
  };
}

/** Resolves after `ms`, or rejects with the reason of the first signal that aborts. */
export function wait(ms: number, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(resolve), Math.min(ms, LONGEST_TIMER_MS));
    const onAbort = () => end(() => reject(signals.find((signal) => signal?.aborted)?.reason));
    function end(settle: () => void) {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', onAbort);
      settle();
    }
    for (const signal of signals) listen(signal, onAbort);
    if (signals.some((signal) => signal?.aborted)) onAbort();
  });
}

/** Hundreds of calls may share one signal; Node would warn of a leak at the eleventh. */
export function listen(signal: AbortSignal | undefined, listener: () => void) {
  if (signal === undefined) return;
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener);
}
