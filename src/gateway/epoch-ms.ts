/** A time as the Gateway may write it: ISO 8601, or Unix time in seconds or milliseconds; NaN for anything else. */
export function epochMs(time: string | number | null | undefined): number {
  if (typeof time === 'string') return Date.parse(time);
  if (typeof time !== 'number') return Number.NaN;
  return time < 1e11 ? time * 1000 : time;
}
