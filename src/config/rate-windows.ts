/** The most calls in each stretch of that length (ms). */
export interface RateWindow {
  calls: number;
  perMs: number;
}

const UNITS = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const WORDS = new Map([
  ...['sec', 'second'].map((word) => [word, 's'] as const),
  ...['min', 'minute'].map((word) => [word, 'm'] as const),
  ['hour', 'h'] as const,
  ['day', 'd'] as const,
]);
/** Up to here a window is a pace: its calls are spread evenly. Those of a longer one may be made at any time. */
const LONGEST_PACE_MS = 60_000;
const MOST_CALLS = 1_000_000_000;

/**
 * `10`, `10/s`, `10/min` or `10/s,20000/d` as windows, the shortest first; a bare number is per second. Undefined when it is none of
 * them, names a unit twice, or when a longer window allows no more calls than a shorter one, which then means nothing.
 */
export function parseRateWindows(text: string): readonly RateWindow[] | undefined {
  const windows: RateWindow[] = [];
  for (const each of text.split(',')) {
    const [, number, unit = 's'] = /^(\d*\.?\d+)(?:\/([a-z]+))?$/.exec(each.trim()) ?? [];
    const perMs = UNITS.get(WORDS.get(unit) ?? unit);
    const calls = Number(number);
    if (number === undefined || perMs === undefined || !(calls > 0) || calls > MOST_CALLS) return undefined;
    windows.push({ calls, perMs });
  }
  windows.sort((a, b) => a.perMs - b.perMs);
  const sensible = windows.every((window, n) => {
    const shorter = windows[n - 1];
    return shorter === undefined || (window.perMs > shorter.perMs && window.calls >= shorter.calls);
  });
  return sensible ? windows : undefined;
}

export function formatRateWindows(windows: readonly RateWindow[]): string {
  const unitOf = (perMs: number) => [...UNITS].find(([, ms]) => ms === perMs)?.[0] ?? 's';
  return windows.map(({ calls, perMs }) => `${calls}/${unitOf(perMs)}`).join(',');
}

/** The calls per second of the windows that are a pace, or null; and the windows that are longer. */
export function splitWindows(windows: readonly RateWindow[]): {
  pace: number | null;
  quotas: readonly RateWindow[];
} {
  const isPace = ({ perMs }: RateWindow) => perMs <= LONGEST_PACE_MS;
  const paces = windows.filter(isPace);
  return {
    pace: paces.length > 0 ? sustainedRate(paces) : null,
    quotas: windows.filter((window) => !isPace(window)),
  };
}

/** Calls per second that all windows allow in the long run. */
export const sustainedRate = (windows: readonly RateWindow[]): number =>
  Math.min(...windows.map(({ calls, perMs }) => (calls * 1000) / perMs));
