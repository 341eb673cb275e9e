/** 12345.6 as `12,345.6`; at most one decimal. */
export const number = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });

/** A span of time for people: `4.2 s`, `3 min 20 s`, `2 h 5 min`. */
export function span(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}

/** By how much something is over: 0.031 as `+3.1%`. */
export const signed = (share: number): string => `${share < 0 ? '−' : '+'}${number(Math.abs(share) * 100)}%`;
