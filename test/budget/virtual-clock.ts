import type { Clock } from '../../src/budget/clock.js';

interface Event {
  time: number;
  order: number;
  run: () => void;
}

/** Repeatable randomness in [0, 1). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Time that passes only as events are worked off, one by one. Real I/O (the script on a real Redis) takes no virtual time
 * of its own: `during` holds the clock until it is done.
 */
export class VirtualClock implements Clock {
  time = 0;
  readonly #heap: Event[] = [];
  #order = 0;
  #io = 0;
  #idle: (() => void) | undefined;

  now(): number {
    return this.time;
  }

  at(time: number, run: () => void): Event {
    const event = { time: Math.max(time, this.time), order: this.#order++, run };
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (!parent || before(parent, event)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = event;
    return event;
  }

  after(ms: number, callback: () => void): () => void {
    const event = this.at(this.time + ms, callback);
    return () => {
      event.run = () => {};
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  async during<T>(io: () => Promise<T>): Promise<T> {
    this.#io += 1;
    try {
      return await io();
    } finally {
      this.#io -= 1;
      if (this.#io === 0) this.#idle?.();
    }
  }

  async run(until: number): Promise<void> {
    for (;;) {
      await this.#settle();
      const next = this.#heap[0];
      if (!next || next.time > until) break;
      this.#pop();
      this.time = next.time;
      next.run();
    }
    this.time = until;
  }

  /** Lets all promise reactions and real I/O of the present moment finish. */
  async #settle(): Promise<void> {
    for (let i = 0; i < 12; i += 1) await null;
    while (this.#io > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      for (let i = 0; i < 12; i += 1) await null;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (!left) break;
      let least = left;
      if (right && before(right, left)) {
        child += 1;
        least = right;
      }
      if (before(last, least)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
  }
}

const before = (a: Event, b: Event) => a.time < b.time || (a.time === b.time && a.order < b.order);
