import { setTimeout as sleep } from 'node:timers/promises';

/** Looks until `ready` is true; an error of it, or the time's end, is the caller's. */
export async function tries(ms: number, ready: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await ready())) {
    if (Date.now() > deadline) throw new Error(`not ready after ${ms} ms`);
    await sleep(25);
  }
}
