import { setTimeout as sleep } from 'node:timers/promises';

/** Calls `ready` until it is true. The caller handles its error, and the end of the time. */
export async function tries(ms: number, ready: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await ready())) {
    if (Date.now() > deadline) throw new Error(`not ready after ${ms} ms`);
    await sleep(25);
  }
}
