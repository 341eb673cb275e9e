import type { GatewayCall } from '../gateway/types.js';
import type { Ask } from './ask.js';
import { limitFromHeaders } from './limit-from-headers.js';

/** How one call with a slot ended: answered by the Gateway, or (`call` undefined) never made. */
export interface Outcome {
  epoch: number;
  canary: boolean;
  call: GatewayCall | undefined;
}

type News = Pick<
  Ask,
  'ok' | 'good' | 'failed' | 'unused' | 'throttled' | 'canary' | 'policy' | 'guess' | 'exhausted'
>;

/** The results of this process' calls that Redis does not have yet. */
export interface Reports {
  add(outcome: Outcome): void;
  /** Slots that no call could use in time. They go along with the next report. */
  unused(slots: number): void;
  /** 'now' when the fleet waits for the report, 'soon' when the report may wait for others. */
  due(): 'now' | 'soon' | undefined;
  /** Takes all reports, for one ask; `putBack` when that failed. */
  take(): News;
  putBack(news: News): void;
}

/** Shorter resets are mostly the rounding of a short window to whole seconds; waiting them out would waste the window. */
const EXHAUSTED_FROM_MS = 2000;

export function createReports(): Reports {
  let [ok, good, failed, unused] = [0, 0, 0, 0];
  let throttled: NonNullable<Ask['throttled']> = [];
  let canary: Ask['canary'];
  let policy: number | undefined;
  let guess: number | undefined;
  let guessed = false;
  let exhausted = 0;
  let reportedPolicy: number | undefined;

  function addThrottled(hit: { epoch: number; n: number; retryAfter: number; canary: boolean }) {
    const same = throttled.find((other) => other.epoch === hit.epoch && other.canary === hit.canary);
    if (!same) return void throttled.push({ ...hit });
    same.n += hit.n;
    same.retryAfter = Math.max(same.retryAfter, hit.retryAfter);
  }

  return {
    add({ epoch, canary: isCanary, call }) {
      if (call === undefined) unused += 1;
      const answered = typeof call?.status === 'number';
      const limits = call && answered ? limitFromHeaders(call.headers, Date.now()) : {};
      if (limits.policy !== undefined && limits.policy !== reportedPolicy) policy = limits.policy;
      if (limits.guess !== undefined && !guessed) {
        guess = limits.guess;
        guessed = true;
      }
      if (call?.status === 429) {
        const retryAfter = Math.round(call.retryAfterMs ?? limits.exhaustedMs ?? 0);
        addThrottled({ epoch, n: 1, retryAfter, canary: isCanary });
        good += 1;
        return;
      }
      if (answered) ok += 1;
      const isFailure = call !== undefined && (!answered || Number(call.status) >= 500);
      if (isFailure) failed += 1;
      else if (answered) good += 1;
      if ((limits.exhaustedMs ?? 0) >= EXHAUSTED_FROM_MS)
        exhausted = Math.max(exhausted, limits.exhaustedMs ?? 0);
      if (isCanary) canary = { epoch, ok: answered, failed: isFailure };
    },
    unused(slots) {
      unused += slots;
    },
    due() {
      if (canary || throttled.length > 0 || policy !== undefined) return 'now';
      if (guess !== undefined || exhausted > 0) return 'now';
      return ok + failed > 0 ? 'soon' : undefined;
    },
    take() {
      const news: News = {
        ...(ok > 0 && { ok }),
        ...(good > 0 && { good }),
        ...(failed > 0 && { failed }),
        ...(unused > 0 && { unused }),
        ...(throttled.length > 0 && { throttled }),
        ...(canary && { canary }),
        ...(policy !== undefined && { policy }),
        ...(guess !== undefined && { guess }),
        ...(exhausted > 0 && { exhausted }),
      };
      reportedPolicy = policy ?? reportedPolicy;
      [ok, good, failed, unused] = [0, 0, 0, 0];
      throttled = [];
      canary = undefined;
      policy = undefined;
      guess = undefined;
      exhausted = 0;
      return news;
    },
    putBack(news) {
      ok += news.ok ?? 0;
      good += news.good ?? 0;
      failed += news.failed ?? 0;
      unused += news.unused ?? 0;
      news.throttled?.forEach(addThrottled);
      canary ??= news.canary;
      policy ??= news.policy;
      guess ??= news.guess;
      exhausted = Math.max(exhausted, news.exhausted ?? 0);
    },
  };
}
