export interface PollSchedule {
  delayMs: number;
  maxDelayMs: number;
}

/**
 * Time until the next poll of a task of this age (ms). Gaps start at `delayMs` and double up to `maxDelayMs`, as the
 * Gateway's documentation advises. It depends on the age alone. So no job has to count its polls, and a retry or a
 * crash does not stretch the schedule.
 */
export function nextPollMs(ageMs: number, { delayMs, maxDelayMs }: PollSchedule): number {
  let gap = delayMs;
  let due = gap;
  while (due <= ageMs && gap < maxDelayMs) {
    gap = Math.min(gap * 2, maxDelayMs);
    due += gap;
  }
  if (due <= ageMs) due += Math.ceil((ageMs - due + 1) / gap) * gap;
  return Math.max(due - ageMs, Math.min(delayMs, 250));
}
