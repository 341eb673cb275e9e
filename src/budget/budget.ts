import type { Logger } from 'pino';
import type { GatewayCall } from '../gateway/types.js';
import type { Answer, Ask, News } from './ask.js';
import { type Clock, clockOffset } from './clock.js';
import { type Flow, type Grant, insertByDue, isIdle, lacking, type Waiter } from './flow.js';
import { createReports } from './reports.js';
import type { RunScript } from './script.js';
import {
  type AcquireOptions,
  type Budget,
  BudgetPausedError,
  type CallKind,
  type Pause,
  type Slot,
} from './types.js';

export interface BudgetParts {
  run: RunScript;
  /** Hears of pauses and their ends; returns how to stop. */
  subscribe(listener: (news: News) => void): Promise<() => Promise<void>>;
  clock: Clock;
  rate?: number | undefined;
  maxHoldMs?: number | undefined;
  log?: Logger | undefined;
}

/** A slot used later than this after it was due would be part of a burst: it is given up, and asked for again. */
const LATEST_MS = 10;
const TIMER_GRAIN_MS = 0.5;
const REPORT_WITHIN_MS = 50;
const OUTSTANDING_ASKS = 2;
const RETRY_ASK_MS = 200;

export function createBudgetOf(parts: BudgetParts): Budget {
  const { run, clock, log } = parts;
  const maxHoldMs = parts.maxHoldMs ?? 2000;
  const flows = new Map<string, Flow>();
  const reports = createReports();
  const toLocal = clockOffset();
  const pauseListeners = new Set<(pause: Pause) => void>();
  /** By due time. */
  const grants: Grant[] = [];
  /** This process has asked for its first slots. */
  let joined = false;
  let epoch = 0;
  let pausedUntil = 0;
  let reportBy = Number.POSITIVE_INFINITY;
  let outstanding = 0;
  let retryAt = 0;
  let unsubscribe: (() => Promise<void>) | undefined;
  let closed = false;
  let turnQueued = false;
  let cancelWake = () => {};

  function flowOf(kind: CallKind, options: AcquireOptions): Flow {
    const id = `${kind}:${options.run ?? ''}`;
    let flow = flows.get(id);
    if (!flow) {
      flow = { id, kind, weight: 1, waiters: new Set(), granted: 0, asked: 0, askAt: 0 };
      flows.set(id, flow);
    }
    flow.weight = options.weight ?? 1;
    return flow;
  }

  function slotOf(grantEpoch: number, canary: boolean): Slot {
    let used = false;
    const end = (call: GatewayCall | undefined) => {
      if (used) return;
      used = true;
      reports.add({ epoch: grantEpoch, canary, call });
      const due = reports.due();
      if (due) reportBy = Math.min(reportBy, clock.now() + (due === 'now' ? 0 : REPORT_WITHIN_MS));
      queueTurn();
    };
    return { report: end, release: () => end(undefined) };
  }

  /** Hands a due slot to whoever waits longest; one that nobody can use in time expires. */
  function use(grant: Grant, inTime: boolean): void {
    const [waiter] = grant.flow.waiters;
    const valid = grant.canary ? true : inTime && grant.epoch === epoch;
    const slot = slotOf(grant.epoch, grant.canary);
    if (!waiter || !valid) {
      if (grant.canary) slot.release();
      return;
    }
    grant.flow.waiters.delete(waiter);
    waiter.resolve(slot);
  }

  function fire(): void {
    const now = clock.now();
    let count = 0;
    for (const grant of grants) {
      if (grant.due > now + TIMER_GRAIN_MS) break;
      count += 1;
      grant.flow.granted -= 1;
      use(grant, now - grant.due <= LATEST_MS);
    }
    grants.splice(0, count);
  }

  function voidOlder(than: number): void {
    if (than <= epoch) return;
    epoch = than;
    const kept = grants.filter((grant) => grant.epoch >= epoch || grant.canary);
    for (const grant of grants) if (!kept.includes(grant)) grant.flow.granted -= 1;
    grants.splice(0, grants.length, ...kept);
  }

  function notePause(ms: number): void {
    const now = clock.now();
    pausedUntil = ms > 0 ? now + ms : 0;
    if (ms <= maxHoldMs) return;
    const error = new BudgetPausedError(Date.now() + ms);
    for (const flow of flows.values()) {
      for (const waiter of flow.waiters) waiter.reject(error);
      flow.waiters.clear();
    }
  }

  function take(answer: Answer, asked: [Flow, number][], sent: number): void {
    const received = clock.now();
    const offset = toLocal(sent, answer.now, received);
    voidOlder(answer.epoch);
    for (const [i, [flow]] of asked.entries()) {
      const slots = answer.slots[i];
      if (!slots) continue;
      flow.askAt = slots.wait > 0 ? received + slots.wait : 0;
      for (let n = 0; n < slots.n; n += 1) {
        const grant = {
          flow,
          due: slots.at + n * slots.step + offset,
          epoch: answer.epoch,
          canary: answer.canary,
        };
        if (!answer.paced || answer.canary) use(grant, true);
        else insertByDue(grants, grant);
      }
    }
    notePause(answer.pausedFor);
    if (answer.opened > 0) {
      log?.warn({ pause_ms: Math.round(answer.opened) }, PAUSES[answer.reason]);
      for (const listener of pauseListeners) listener({ ms: answer.opened, reason: answer.reason });
    }
  }

  /** One ask for all that is wanted and all that is to be told. */
  function ask(): void {
    const now = clock.now();
    if (closed || outstanding >= OUTSTANDING_ASKS || now < retryAt) return;
    const asked = [...flows.values()]
      .filter((flow) => lacking(flow) > 0 && flow.askAt <= now)
      .map((flow): [Flow, number] => [flow, lacking(flow)]);
    if (asked.length === 0 && reportBy > now) return;
    for (const [flow, n] of asked) flow.asked += n;
    const news = reports.take();
    reportBy = Number.POSITIVE_INFINITY;
    outstanding += 1;
    const want = asked.map(([flow, n]) => ({ flow: flow.id, kind: flow.kind, weight: flow.weight, n }));
    const joins = !joined && want.length > 0;
    joined ||= joins;
    tell({ ...news, want, ...(joins && { joined: true }) })
      .then(
        (answer) => take(answer, asked, now),
        (error) => {
          log?.warn({ err: error }, 'the budget cannot reach Redis; calls wait');
          reports.putBack(news);
          reportBy = retryAt = clock.now() + RETRY_ASK_MS;
        },
      )
      .finally(() => {
        outstanding -= 1;
        for (const [flow, n] of asked) flow.asked -= n;
        turn();
        for (const [flow] of asked) if (isIdle(flow)) flows.delete(flow.id); // runs come and go
      });
  }

  const tell = (what: Ask) => run({ ...what, ...(parts.rate !== undefined && { flag: parts.rate }) });

  /** The process side in one place: use what is due, ask for what lacks, sleep until either can change. */
  function turn(): void {
    turnQueued = false;
    fire();
    ask();
    cancelWake();
    if (closed) return;
    let next = Math.min(grants[0]?.due ?? Number.POSITIVE_INFINITY, reportBy);
    if (outstanding < OUTSTANDING_ASKS) {
      for (const flow of flows.values())
        if (lacking(flow) > 0) next = Math.min(next, Math.max(flow.askAt, retryAt));
    }
    if (next < Number.POSITIVE_INFINITY) cancelWake = clock.after(Math.max(0, next - clock.now()), turn);
  }

  function queueTurn(): void {
    if (turnQueued) return;
    turnQueued = true;
    queueMicrotask(turn);
  }

  function hear(news: News): void {
    voidOlder(news.epoch);
    notePause(news.pausedFor);
    for (const flow of flows.values()) flow.askAt = 0;
    queueTurn();
  }

  return {
    async start() {
      unsubscribe ??= await parts.subscribe(hear);
      await tell({});
    },

    acquire(kind, options = {}) {
      return new Promise<Slot>((resolve, reject) => {
        const { signal } = options;
        if (signal?.aborted) return reject(signal.reason);
        if (closed) return reject(closedError());
        const wait = pausedUntil - clock.now();
        if (wait > maxHoldMs) return reject(new BudgetPausedError(Date.now() + wait));
        const flow = flowOf(kind, options);
        const onAbort = () => {
          flow.waiters.delete(waiter);
          reject(signal?.reason);
        };
        const settled = () => signal?.removeEventListener('abort', onAbort);
        const waiter: Waiter = {
          resolve(slot) {
            settled();
            resolve(slot);
          },
          reject(error) {
            settled();
            reject(error);
          },
        };
        signal?.addEventListener('abort', onAbort);
        flow.waiters.add(waiter);
        queueTurn();
      });
    },

    async snapshot() {
      const { rate, source, pausedFor, circuit, heldMs } = await tell({});
      return { rate: rate > 0 ? rate : null, source, pausedForMs: pausedFor, circuitOpen: circuit, heldMs };
    },

    async setRate(rate) {
      await tell({ command: rate ?? 0 });
    },

    onPause(listener) {
      pauseListeners.add(listener);
      return () => void pauseListeners.delete(listener);
    },

    async close() {
      if (closed) return;
      closed = true;
      cancelWake();
      for (const flow of flows.values()) {
        for (const waiter of flow.waiters) waiter.reject(closedError());
        flow.waiters.clear();
      }
      await unsubscribe?.();
      if (reports.due())
        await Promise.race([
          tell(reports.take()).catch(() => {}),
          new Promise((r) => clock.after(500, () => r(undefined))),
        ]);
    },
  };
}

const PAUSES = {
  rate_limited: 'rate limited: the fleet pauses',
  circuit: 'the Gateway answers nothing but errors: the fleet sends one probe at a time',
};

const closedError = () => new DOMException('the budget is closed', 'AbortError');
