/**
 * Two polls of a task are at most `--poll-max-delay` apart, a minute by default. So each task is seen again within this
 * time.
 */
const WINDOW_MS = 120_000;

/** The greatest of the values seen in the last one to two windows. */
export function createPendingAge(now: () => number = Date.now) {
  let [window, current, before] = [0, 0, 0];
  const turn = () => {
    const at = Math.floor(now() / WINDOW_MS);
    if (at === window) return;
    before = at === window + 1 ? current : 0;
    [window, current] = [at, 0];
  };
  return {
    see(ms: number): void {
      turn();
      current = Math.max(current, ms);
    },
    ms(): number {
      turn();
      return Math.max(current, before);
    },
  };
}
