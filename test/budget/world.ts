import type { Redis } from 'ioredis';
import type { BudgetNews } from '../../src/budget/ask.js';
import { createBudgetOf } from '../../src/budget/budget.js';
import type { Clock } from '../../src/budget/clock.js';
import { budgetScript } from '../../src/budget/script.js';
import {
  type AcquireOptions,
  type Budget,
  BudgetPausedError,
  type CallKind,
} from '../../src/budget/types.js';
import type { GatewayCall } from '../../src/gateway/types.js';
import type { LimitModel } from './servers.js';
import { seeded, VirtualClock } from './virtual-clock.js';

export interface WorldOptions {
  redis: Redis;
  key: string;
  server: LimitModel;
  seed?: number;
  /** One-way network time to the server, ms. Default loopback. */
  network?: [number, number];
  /** The server says how long to wait, in whole seconds. */
  retryAfter?: boolean;
  headers?: (now: number) => Record<string, string>;
  /** A process' first calls wait for connections and cold code: so many of them, up to so many ms. */
  cold?: { calls: number; ms: number };
  /** How far Redis' clock is moved, ms. */
  clockMoved?: (now: number) => number;
  /** Whether the server answers 503 to whatever comes. */
  outage?: (now: number) => boolean;
}

export interface Arrival {
  time: number;
  ok: boolean;
  kind: CallKind;
  run: string;
  process: number;
}

/** A process of the fleet, on virtual time. */
export interface VirtualProcess {
  budget: Budget;
  /** `workers` callers that call as often as they are let, until `kill`. */
  work(kind: CallKind, workers: number, options?: AcquireOptions): void;
  /** Nothing of this process runs for so long: timers and answers come late. */
  stall(ms: number): void;
  kill(): void;
}

/** A limited server and the processes that call it: the real budget on a real Redis, on virtual time. */
export function createWorld(options: WorldOptions) {
  const { redis, key, server, seed = 1, network = [0.3, 1.5] } = options;
  const clock = new VirtualClock();
  const random = seeded(seed);
  const between = ([low, high]: [number, number]) => low + (high - low) * random();
  const arrivals: Arrival[] = [];
  const listeners = new Set<(news: BudgetNews) => void>();
  const script = budgetScript(redis, key);
  // Redis' clock is far from the processes' own.
  const redisTime = () => clock.time + 1_700_000_000_000 + (options.clockMoved?.(clock.time) ?? 0);

  async function runScript(ask: Parameters<typeof script>[0]) {
    await clock.sleep(between([0.1, 0.5]));
    const answer = await clock.during(() => script({ ...ask, now: redisTime() }));
    const heard = answer.valid !== heardEpoch || answer.opened > 0;
    heardEpoch = answer.valid;
    const news = { epoch: answer.valid, pausedFor: answer.pausedFor };
    if (heard || ask.command !== undefined || ask.canary) {
      clock.after(between([0.1, 0.5]), () => {
        for (const listener of listeners) listener(news);
      });
    }
    await clock.sleep(between([0.1, 0.5]));
    return answer;
  }
  let heardEpoch = 1;

  function call(
    status: number,
    retryAfterMs: number | undefined,
    headers: Record<string, string>,
  ): GatewayCall {
    return { operation: 'submit', status, durationMs: 1, headers, retryAfterMs };
  }

  function addProcess(o: { rate?: number; maxHoldMs?: number } = {}): VirtualProcess {
    const id = processes++;
    let alive = true;
    let stalledUntil = 0;
    let cold = options.cold?.calls ?? 0;
    const warmUp = () => (cold-- > 0 ? between([0, options.cold?.ms ?? 0]) : 0);
    const awake = (run: () => void): void => {
      if (!alive) return;
      if (clock.time < stalledUntil) clock.at(stalledUntil, () => awake(run));
      else run();
    };
    const own: Clock = {
      now: () => clock.time,
      // Timers of a busy process are late by up to 2 ms.
      after: (ms, run) => clock.after(Math.ceil(ms) + 2 * random(), () => awake(run)),
    };
    const budget = createBudgetOf({
      clock: own,
      maxHoldMs: o.maxHoldMs ?? Number.POSITIVE_INFINITY,
      rate: o.rate,
      run: async (ask) => {
        const answer = await runScript(ask);
        await new Promise<void>((resolve) => awake(resolve));
        return answer;
      },
      subscribe: async (listener) => {
        const hear = (news: BudgetNews) => awake(() => listener(news));
        listeners.add(hear);
        return async () => void listeners.delete(hear);
      },
    });
    void budget.start();

    async function worker(kind: CallKind, acquire: AcquireOptions) {
      await clock.sleep(random());
      while (alive) {
        try {
          const slot = await budget.acquire(kind, acquire);
          await clock.sleep(between(network) + warmUp());
          const down = options.outage?.(clock.time) === true;
          const { ok, retryAfterMs } = down ? { ok: false, retryAfterMs: 0 } : server.take(clock.time);
          arrivals.push({ time: clock.time, ok, kind, run: acquire.run ?? '', process: id });
          await clock.sleep(between(network));
          await new Promise<void>((resolve) => awake(resolve));
          const wait =
            ok || !options.retryAfter ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1000)) * 1000;
          slot.report(call(down ? 503 : ok ? 201 : 429, wait, options.headers?.(clock.time) ?? {}));
        } catch (error) {
          if (!(error instanceof BudgetPausedError)) return;
          await clock.sleep(error.resumeAt - Date.now() + 250 * random());
        }
      }
    }

    return {
      budget,
      work(kind, workers, acquire = {}) {
        for (let i = 0; i < workers; i += 1) void worker(kind, acquire);
      },
      stall(ms) {
        stalledUntil = clock.time + ms;
      },
      kill() {
        alive = false;
      },
    };
  }
  let processes = 0;

  return { clock, arrivals, addProcess, run: (seconds: number) => clock.run(clock.time + seconds * 1000) };
}

/** Use of a limit between two times (s), its 429s, and the fullest second against the limit. */
export function measure(arrivals: readonly Arrival[], limit: number, from: number, to: number) {
  const within = arrivals.filter(({ time }) => time >= from * 1000 && time < to * 1000);
  const ok = within.filter((arrival) => arrival.ok).length;
  let fullest = 0;
  let first = 0;
  for (const [i, { time }] of within.entries()) {
    while ((within[first]?.time ?? time) <= time - 1000) first += 1;
    fullest = Math.max(fullest, i - first + 1);
  }
  return {
    use: ok / (limit * (to - from)),
    refused: within.length === 0 ? 0 : (within.length - ok) / within.length,
    refusals: within.length - ok,
    overshoot: fullest / limit,
  };
}
