/** The reports and the requests of a process. An absent part has nothing to say. */
export interface Ask {
  /** Tests only: the time to use instead of Redis' clock, ms. */
  now?: number;
  /** Which process asks, and its how many-eth ask this is: one that arrives twice is counted once. */
  from?: string;
  seq?: number;
  /** How long before it needs more slots this process has to ask, ms. */
  lead?: number;
  /** Slots wanted, by flow: the calls of one kind of one run. */
  want?: { flow: string; kind: string; weight: number; n: number }[];
  /** Calls answered with anything but 429. */
  ok?: number;
  /** This process wants its first slots. */
  joined?: boolean;
  /** No call is left for so long, ms: a header says so. */
  exhausted?: number;
  /** 429s, by the epoch their slots were granted in; `retryAfter` in ms, 0 when there was none. */
  throttled?: Throttled[];
  /** Calls that got an answer of the Gateway's own, and those that got 5xx, a broken connection or no answer in time. */
  good?: number;
  failed?: number;
  /** The canary's result: accepted, or (`ok: false`) never made or without an answer; `failed` as above. */
  canary?: { epoch: number; ok: boolean; failed: boolean };
  /** Calls per second: set by this process' `--rate`; by the `rate` command (0 = auto); read from a header. */
  flag?: number;
  command?: number;
  /** Windows longer than a minute, `[ms, calls]`: of this process' `--rate`; with `command`, of the `rate` command. */
  quotas?: [number, number][];
  commandQuotas?: [number, number][];
  /** Slots that were given and not used: their calls are left to be made. */
  unused?: number;
  policy?: number;
  /** Calls per second to begin the search with: headers suggest it, and do not promise it. */
  guess?: number;
}

export interface Throttled {
  epoch: number;
  n: number;
  retryAfter: number;
  canary: boolean;
}

export interface Answer {
  /** Redis' clock, ms. */
  now: number;
  /** Grows each time the rate is lowered. By the epoch a refused call knows whether it was sent before or after. */
  epoch: number;
  /** Unused slots of epochs before this one are void. */
  valid: number;
  /** In the order of `want`: n slots, due at `at`, `at + step`, … (ms); ask for the rest after `wait` ms. */
  slots: { n: number; at: number; step: number; wait: number }[];
  /** The one slot given is the canary: the fleet waits for its report. */
  canary: boolean;
  /** False: no limit is in force and the slots may be used at any time. */
  paced: boolean;
  /** Slots used later than this after they were due, ms, would be part of a burst. */
  late: number;
  /** Calls per second, 0 = no limit in force. */
  rate: number;
  /** Calls per second let through while all slots were wanted, in a search; 0 = not known. */
  sustained: number;
  source: 'flag' | 'command' | 'header' | 'search' | 'none';
  policy: number;
  pausedFor: number;
  /** > 0: this ask opened a pause of this length (ms), for this reason. */
  opened: number;
  /** `circuit`: the Gateway answers only errors; one probe at a time tests whether it answers again. */
  reason: 'rate_limited' | 'circuit';
  /** Sustained failure: one probe at a time. */
  circuit: boolean;
  /** How long pauses and open circuits have held calls back in all, up to now. */
  heldMs: number;
  /** A window in which no call is left: `calls` in each `perMs`, and one more in `wait` ms. */
  quota?: { perMs: number; calls: number; wait: number };
  mode: 'free' | 'ramp' | 'regain' | 'cruise' | 'climb';
}

/** The message that is published on `<key>:news`. */
export interface BudgetNews {
  /** Unused slots of epochs before this one are void. */
  epoch: number;
  pausedFor: number;
}
