/** Times of the day in which something is done. `to` is not in it; `from > to` goes past midnight. */
export interface Hours {
  /** Minutes since midnight. */
  spans: readonly { from: number; to: number }[];
  /** IANA name; null: the zone of the process. */
  zone: string | null;
}

const DAY = 1_440;
const MINUTE_MS = 60_000;
/** Most minutes by which a clock change moves the clock. */
const MOST_SHIFT = 180;

/** `22:00-06:00`, `22:00-06:00[Europe/Paris]`, `09:00-12:00,13:00-17:00[UTC]`; undefined when it is none of them. */
export function parseHours(text: string): Hours | undefined {
  const [, list = '', zone = null] = /^([^[\]]+)(?:\[([^[\]]+)\])?$/.exec(text.trim()) ?? [];
  if (zone !== null && !isZone(zone)) return undefined;
  const spans = list.split(',').map((span) => {
    const [, from = '', to = ''] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(span.trim()) ?? [];
    return { from: minutesOf(from, DAY - 1), to: minutesOf(to, DAY) };
  });
  const valid = spans.every(({ from, to }) => from >= 0 && to >= 0 && from !== to);
  return valid ? { spans, zone } : undefined;
}

/** The same hours with the zone's name: other processes may be in another zone. */
export const inNamedZone = ({ spans, zone }: Hours): Hours => ({
  spans,
  zone: zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
});

export function formatHours({ spans, zone }: Hours): string {
  const list = spans.map(({ from, to }) => `${clock(from)}-${clock(to)}`).join(',');
  return zone === null ? list : `${list}[${zone}]`;
}

/** Whether a moment (epoch ms) is in these hours, by the clock on the wall. */
export function isWithin(hours: Hours, ms: number): boolean {
  const minute = wallMinute(hours.zone, ms);
  return hours.spans.some(({ from, to }) =>
    from < to ? minute >= from && minute < to : minute >= from || minute < to,
  );
}

/** The first moment from `ms` on (epoch ms) that is in these hours: `ms` itself, or the beginning of a minute. */
export const nextWithin = (hours: Hours, ms: number): number => nextChange(hours, ms, true);

/** The first moment from `ms` on that is not; infinite when the hours leave nothing out. */
export const nextOutside = (hours: Hours, ms: number): number => nextChange(hours, ms, false);

function nextChange(hours: Hours, ms: number, wanted: boolean): number {
  if (isWithin(hours, ms) === wanted) return ms;
  const now = Math.floor(ms / MINUTE_MS) * MINUTE_MS;
  const wall = wallMinute(hours.zone, ms);
  const edges = hours.spans
    .map(({ from, to }) => ((wanted ? from : to) - wall + DAY) % DAY)
    .sort((a, b) => a - b);
  for (const day of [0, 1, 2]) {
    for (const edge of edges) {
      // The clocks may change on the way: the minutes about the edge are tried one by one.
      const about = day * DAY + edge;
      for (let minute = Math.max(1, about - MOST_SHIFT); minute <= about + MOST_SHIFT; minute += 1)
        if (isWithin(hours, now + minute * MINUTE_MS) === wanted) return now + minute * MINUTE_MS;
    }
  }
  return Number.POSITIVE_INFINITY;
}

const formats = new Map<string | null, Intl.DateTimeFormat>();

function wallMinute(zone: string | null, ms: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    const options = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    format = new Intl.DateTimeFormat('en-GB', zone === null ? options : { ...options, timeZone: zone });
    formats.set(zone, format);
  }
  return minutesOf(format.format(ms), DAY - 1);
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
}

/** Minutes of `HH:MM`, up to `most`; -1 for anything else. `24:00` is the end of a day. */
function minutesOf(text: string, most: number): number {
  const [, hours, minutes] = /^(\d\d):(\d\d)$/.exec(text) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  return hours !== undefined && Number(minutes) < 60 && total <= most ? total : -1;
}

const two = (n: number) => String(n).padStart(2, '0');
const clock = (minutes: number) => `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
