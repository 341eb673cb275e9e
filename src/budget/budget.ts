import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Answer, Ask, BudgetNews } from './ask.js';
import { type Clock, clockOffset } from './clock.js';
import { type Flow, unrequested } from './flow.js';
import { createReports } from './reports.js';
import type { RunScript } from './script.js';
import { createSlotQueue } from './slot-queue.js';
import { type Budget, BudgetPausedError, type Pause, type Quota, type Slot } from './types.js';

export interface BudgetParts {
  run: RunScript;
  /** Reports pauses and their ends to the listener; returns how to unsubscribe. */
  subscribe(listener: (news: BudgetNews) => void): Promise<() => Promise<void>>;
  clock: Clock;
  rate?: number | undefined;
  /** Windows longer than a minute: the most calls in each stretch of that length (ms). */
  quotas?: readonly Quota[] | undefined;
  maxHoldMs?: number | undefined;
  log?: Logger | undefined;
}

const REPORT_WITHIN_MS = 50;
const OUTSTANDING_ASKS = 2;
const RETRY_ASK_MS = 200;
/** Asks for slots of one process are at least so far apart: what comes in between is asked for together. */
const ASK_GAP_MS = 3;
/** More slots are asked for this much longer than an answer takes before the last one is due. */
const LEAD_MS = 2;

/**
 * The process side. One turn does all work. It hands out due slots, asks for missing ones and reports calls, in one
 * script call. Then it sleeps until either can change.
 */
export function createBudgetOf(parts: BudgetParts): Budget {
  const { run, clock, log } = parts;
  const maxHoldMs = parts.maxHoldMs ?? 2000;
  const reports = createReports();
  const quotas = pairsOf(parts.quotas);
  const toLocal = clockOffset();
  const pauseListeners = new Set<(pause: Pause) => void>();
  const from = randomBytes(6).toString('base64url');
  let seq = 0;
  /** This process has asked for its first slots. */
  let joined = false;
  let held = 0;
  let pausedUntil = 0;
  let reportBy = Number.POSITIVE_INFINITY;
  let outstanding = 0;
  let retryAt = 0;
  let askFrom = 0;
  let answerMs = 5;
  let unsubscribe: (() => Promise<void>) | undefined;
  let closed = false;
  let turnQueued = false;
  let wakeAt = Number.POSITIVE_INFINITY;
  let cancelWake = () => {};

  const slotQueue = createSlotQueue(
    clock.now,
    (outcome) => {
      reports.add(outcome);
      const due = reports.due();
      if (!due) return;
      const by = clock.now() + (due === 'now' ? 0 : REPORT_WITHIN_MS);
      if (by >= reportBy) return;
      reportBy = by;
      queueTurn();
    },
    reports.unused,
  );

  function applyPause(ms: number): void {
    pausedUntil = ms > 0 ? clock.now() + ms : 0;
    if (ms > maxHoldMs) slotQueue.rejectAll(new BudgetPausedError(Date.now() + ms));
  }

  function applyAnswer(answer: Answer, asked: [Flow, number][], sent: number): void {
    const received = clock.now();
    const offset = toLocal(sent, answer.now, received);
    answerMs += 0.2 * (received - sent - answerMs);
    slotQueue.dropStaleGrants(answer.valid);
    for (const [i, [flow]] of asked.entries()) {
      const slots = answer.slots[i];
      if (slots) slotQueue.give(flow, slots, answer, offset);
    }
    applyPause(answer.pausedFor);
    if (answer.opened > 0) {
      log?.warn({ pause_ms: Math.round(answer.opened) }, PAUSES[answer.reason]);
      for (const listener of pauseListeners) listener({ ms: answer.opened, reason: answer.reason });
    }
  }

  /** One ask for all slots that are wanted, with all reports. */
  function ask(): void {
    const now = clock.now();
    if (closed || outstanding >= OUTSTANDING_ASKS || now < retryAt) return;
    const asked: [Flow, number][] = [];
    if (now >= askFrom)
      for (const flow of slotQueue.flows.values())
        if (unrequested(flow) > 0 && flow.askAt <= now) asked.push([flow, slotQueue.wanted(flow)]);
    if (asked.length === 0 && reportBy > now) return;
    for (const [flow, n] of asked) {
      flow.asked += n;
      flow.used = 0;
    }
    if (asked.length > 0) askFrom = now + ASK_GAP_MS;
    const news = reports.take();
    reportBy = Number.POSITIVE_INFINITY;
    outstanding += 1;
    const want = asked.map(([flow, n]) => ({ flow: flow.id, kind: flow.kind, weight: flow.weight, n }));
    const joins = !joined && want.length > 0;
    joined ||= joins;
    callScript({ ...news, want, ...(joins && { joined: true }) })
      .then(
        (answer) => applyAnswer(answer, asked, now),
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
        slotQueue.tidy();
      });
  }

  async function callScript(what: Ask): Promise<Answer> {
    seq += 1;
    const lead = Math.ceil(answerMs + LEAD_MS);
    const flags = {
      ...(parts.rate !== undefined && { flag: parts.rate }),
      ...(quotas.length > 0 && { quotas }),
    };
    const answer = await run({ ...what, from, seq, lead, ...flags });
    held = answer.heldMs;
    return answer;
  }

  function turn(): void {
    turnQueued = false;
    slotQueue.releaseDue();
    ask();
    if (closed) return;
    let next = Math.min(slotQueue.nextDue(), reportBy);
    if (outstanding < OUTSTANDING_ASKS) {
      for (const flow of slotQueue.flows.values())
        if (unrequested(flow) > 0) next = Math.min(next, Math.max(flow.askAt, retryAt, askFrom));
    }
    wakeBy(next);
  }

  /** A timer that fires too early costs an empty turn; setting the timer again costs more. */
  function wakeBy(time: number): void {
    if (time >= wakeAt) return;
    cancelWake();
    wakeAt = time;
    cancelWake = clock.after(Math.max(0, time - clock.now()), () => {
      wakeAt = Number.POSITIVE_INFINITY;
      turn();
    });
  }

  function queueTurn(): void {
    if (turnQueued) return;
    turnQueued = true;
    queueMicrotask(turn);
  }

  function onNews(news: BudgetNews): void {
    slotQueue.dropStaleGrants(news.epoch);
    applyPause(news.pausedFor);
    for (const flow of slotQueue.flows.values()) flow.askAt = 0;
    queueTurn();
  }

  return {
    async start() {
      unsubscribe ??= await parts.subscribe(onNews);
      await callScript({});
    },

    acquire(kind, options = {}) {
      return new Promise<Slot>((resolve, reject) => {
        if (options.signal?.aborted) return reject(options.signal.reason);
        if (closed) return reject(closedError());
        const wait = pausedUntil - clock.now();
        if (wait > maxHoldMs) return reject(new BudgetPausedError(Date.now() + wait));
        if (slotQueue.wait(kind, options, { resolve, reject })) queueTurn();
      });
    },

    async snapshot() {
      const { rate, sustained, source, mode, pausedFor, circuit, quota, heldMs } = await callScript({});
      const allowed = rate > 0 ? rate : null;
      return {
        rate: allowed,
        sustained: sustained > 0 ? sustained : null,
        source,
        mode,
        pausedForMs: pausedFor,
        circuitOpen: circuit,
        heldMs,
        quota: quota ?? null,
      };
    },

    heldMs: () => held,

    async setRate(rate, windows = []) {
      await callScript({ command: rate ?? 0, commandQuotas: pairsOf(windows) });
    },

    onPause(listener) {
      pauseListeners.add(listener);
      return () => void pauseListeners.delete(listener);
    },

    async close() {
      if (closed) return;
      closed = true;
      cancelWake();
      slotQueue.rejectAll(closedError());
      await unsubscribe?.();
      if (reports.due())
        await Promise.race([
          callScript(reports.take()).catch(() => {}),
          new Promise((r) => clock.after(500, () => r(undefined))),
        ]);
    },
  };
}

const pairsOf = (windows: readonly Quota[] = []) =>
  windows.map(({ perMs, calls }): [number, number] => [perMs, calls]);

const PAUSES = {
  rate_limited: 'rate limited: the fleet pauses',
  circuit: 'the Gateway answers nothing but errors: the fleet sends one probe at a time',
};

const closedError = () => new DOMException('the budget is closed', 'AbortError');
