/** An answer's facts about the limit of the key. Parts that were not given, or not understood, are absent. */
export interface RateLimitHeaders {
  /** Quotas of requests over windows, as declared. All of them hold at once. */
  policy?: { limit: number; windowMs: number }[];
  /** The quota of the present window, whether or not that window was declared. */
  limit?: number;
  /** Requests left; of several limits, the scarcest. */
  remaining?: number;
  /** When `remaining` is filled up again, in ms from now. */
  resetMs?: number;
}

export type Headers = Readonly<Record<string, string | undefined>>;

/**
 * Reads `RateLimit-Policy` and `RateLimit` (IETF draft 10, and the dictionary of draft 7), `RateLimit-*` (older
 * drafts) and `X-RateLimit-*`, in this order of trust. Header names in lower case; `now` in epoch ms. Never throws.
 */
export function parseRateLimitHeaders(headers: Headers, now: number): RateLimitHeaders {
  if (!isTold(headers)) return {};
  const declared = items(headers['ratelimit-policy']);
  const quotas = items(first(headers, 'limit'));
  const policy = (declared.length > 0 ? declared : quotas).flatMap(toPolicy);
  const left = structured(headers.ratelimit, declared) ?? flat(headers);
  const limit = left.limit ?? digits(quotas[0]?.name);
  const resetMs = parseReset(left.reset, now);
  return {
    ...(policy.length > 0 && { policy }),
    ...(limit !== undefined && { limit }),
    ...(left.remaining !== undefined && { remaining: left.remaining }),
    ...(resetMs !== undefined && { resetMs }),
  };
}

/** `Retry-After`, in seconds or as an HTTP date, as ms from `now` (epoch ms); undefined when it is neither. */
export function parseRetryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value !== undefined && value.length > LONGEST_HEADER) return undefined;
  const seconds = digits(value);
  if (seconds !== undefined) return seconds * 1000;
  const date = parseHttpDate(value);
  return date === undefined ? undefined : Math.max(0, date - now);
}

/** A member of a list (`name;a=1;b=2`) or of a dictionary (`name=value`) of RFC 9651. */
interface Item {
  name: string;
  value: string | undefined;
  parameters: Map<string, string | undefined>;
}

function items(header: string | undefined): Item[] {
  return split(header ?? '', ',').map((text) => {
    const [head, ...rest] = split(text, ';').map(assignment);
    return { name: head?.[0] ?? '', value: head?.[1], parameters: new Map(rest) };
  });
}

/** No server needs more to say what its limits are; what is longer is cut, so that reading costs next to nothing. */
const LONGEST_HEADER = 1024;

/** Parts without the space around them, empty ones left out. A quoted string may hold separators; one that is never closed goes to the end. */
function split(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let from = 0;
  let quoted = false;
  const end = Math.min(text.length, LONGEST_HEADER);
  for (let at = 0; at <= end; at += 1) {
    const char = at === end ? separator : text[at];
    if (at < end && char === '"') quoted = !quoted;
    else if (at < end && quoted && char === '\\') at += 1;
    else if (char === separator && (!quoted || at === end)) {
      const part = text.slice(from, at).trim();
      if (part !== '') parts.push(part);
      from = at + 1;
    }
  }
  if (from < end) parts.push(text.slice(from, end).trim());
  return parts;
}

function assignment(text: string): [name: string, value: string | undefined] {
  const [, name, value = ''] = /^([^="\s]+)\s*=\s*(.*)$/.exec(text) ?? [];
  return name === undefined ? [unquote(text), undefined] : [name.toLowerCase(), unquote(value)];
}

const unquote = (text: string) => text.replace(/^"(.*)"$/, '$1');

/** Bytes or concurrent requests are no rate of calls. */
const countsRequests = ({ parameters }: Item) => (parameters.get('qu') ?? 'requests') === 'requests';

function toPolicy(item: Item): { limit: number; windowMs: number }[] {
  const limit = digits(item.parameters.get('q') ?? item.name);
  const windowMs = (digits(item.parameters.get('w')) ?? 0) * 1000;
  return countsRequests(item) && limit !== undefined && windowMs > 0 ? [{ limit, windowMs }] : [];
}

interface Left {
  limit?: number | undefined;
  remaining: number | undefined;
  reset: string | undefined;
}

/** `"default";r=50;t=30`, or `limit=100, remaining=50, reset=30`; null when it is neither. */
function structured(header: string | undefined, declared: Item[]): Left | null {
  const members = items(header);
  const dictionary = new Map(members.map(({ name, value }) => [name, value]));
  const remaining = digits(dictionary.get('remaining'));
  if (remaining !== undefined)
    return { limit: digits(dictionary.get('limit')), remaining, reset: dictionary.get('reset') };
  const otherUnits = new Set(declared.filter((item) => !countsRequests(item)).map(({ name }) => name));
  const [scarcest] = members
    .filter(({ name }) => !otherUnits.has(name))
    .flatMap(({ parameters }) => {
      const r = digits(parameters.get('r'));
      return r === undefined ? [] : [{ remaining: r, reset: parameters.get('t') }];
    })
    .sort((a, b) => a.remaining - b.remaining || (digits(b.reset) ?? 0) - (digits(a.reset) ?? 0));
  return scarcest ?? null;
}

/** A header that was sent twice reads `5, 7`: the least counts. */
function flat(headers: Headers): Left {
  const all = items(first(headers, 'remaining')).flatMap(({ name }) => digits(name) ?? []);
  return { remaining: all.length > 0 ? Math.min(...all) : undefined, reset: first(headers, 'reset') };
}

/** Most answers say nothing about limits, and each call's answer is checked. */
function isTold(headers: Headers): boolean {
  for (const name in headers) if (/ratelimit|rate-limit/.test(name)) return true;
  return false;
}

const first = (headers: Headers, what: 'limit' | 'remaining' | 'reset') =>
  headers[`ratelimit-${what}`] ??
  headers[`x-ratelimit-${what}`] ??
  headers[`x-ratelimit-${what}-requests`] ??
  headers[`x-rate-limit-${what}`];

/** Epoch ms, epoch seconds, seconds from now, a duration (`8.64s`, `6m0s`, `250ms`), or an HTTP date. */
function parseReset(text: string | undefined, now: number): number | undefined {
  if (text !== undefined && text.length > LONGEST_HEADER) return undefined;
  const value = digits(text);
  if (value === undefined) {
    const date = parseHttpDate(text);
    return date === undefined ? parseDuration(text) : Math.max(0, date - now);
  }
  if (value > 1e12) return Math.max(0, value - now);
  if (value > 1e9) return Math.max(0, value * 1000 - now);
  return value * 1000;
}

const LONGEST_DURATION = 64;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function parseDuration(text: string | undefined): number | undefined {
  const duration = text !== undefined && text.length <= LONGEST_DURATION ? text.trim() : '';
  if (!/^(\d+(\.\d+)?(ms|[smh]))+$/.test(duration)) return undefined;
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|[smh])/g)];
  return parts.reduce((sum, [, n, unit = '']) => sum + Number(n) * (UNITS[unit] ?? 0), 0);
}

/** Plain non-negative decimals: `Number` alone also takes `0x10`, `1e3` and the empty string. */
function digits(text: string | undefined): number | undefined {
  return text !== undefined && text.length <= LONGEST_HEADER && /^\s*\d{1,15}(\.\d+)?\s*$/.test(text)
    ? Number(text)
    : undefined;
}

/** The three forms of RFC 9110; `Date.parse` alone makes a date of `soon 1`. */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d( GMT| \d{4})$/;

function parseHttpDate(text: string | undefined): number | undefined {
  const date = text?.trim() ?? '';
  if (!HTTP_DATE.test(date)) return undefined;
  // The asctime form names no zone, and would be read as local time.
  const ms = Date.parse(date.endsWith('GMT') ? date : `${date} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}
