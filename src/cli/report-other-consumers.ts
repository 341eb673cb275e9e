/** A killed process still counts for this long: a process that takes over its run is alone nevertheless. */
const GHOST_MS = 5_000;

/**
 * Reports other processes that work on the run. Those there from the start are reported after 5 s, later ones at
 * once.
 */
export function reportOtherConsumers(
  note: (text: string) => void,
  now: () => number = () => performance.now(),
): (processes: number) => void {
  let [startedAt, told, least] = [Number.NaN, 1, Number.POSITIVE_INFINITY];
  return (processes) => {
    if (Number.isNaN(startedAt)) startedAt = now();
    least = Math.min(least, processes);
    const others = processes - 1;
    const isNew = processes > Math.max(told, least) || (processes > told && now() - startedAt >= GHOST_MS);
    if (processes < told) told = processes;
    if (!isNew) return;
    told = processes;
    note(
      `${others === 1 ? 'another process works' : `${others} other processes work`} on this run as well; they share its lines and the key's rate, and none is bought twice`,
    );
  };
}
