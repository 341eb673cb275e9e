/**
 * The heartbeat of a killed process counts for this long, so the process that takes over its run may seem not to be
 * alone.
 */
const HEARTBEAT_TIMEOUT_MS = 5_000;

/**
 * Reports other processes that work on the run. Those there from the start are reported after 5 s, later ones at
 * once.
 */
export function reportOtherConsumers(
  note: (text: string) => void,
  now: () => number = () => performance.now(),
): (processes: number) => void {
  let [startedAt, reported, least] = [Number.NaN, 1, Number.POSITIVE_INFINITY];
  return (processes) => {
    if (Number.isNaN(startedAt)) startedAt = now();
    least = Math.min(least, processes);
    const others = processes - 1;
    const isNew =
      processes > Math.max(reported, least) ||
      (processes > reported && now() - startedAt >= HEARTBEAT_TIMEOUT_MS);
    if (processes < reported) reported = processes;
    if (!isNew) return;
    reported = processes;
    note(
      `${others === 1 ? 'another process works' : `${others} other processes work`} on this run as well; they share its lines and the key's rate, and none is bought twice`,
    );
  };
}
