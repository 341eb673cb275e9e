/** The outside parts that a process waits for while its run is `running`. */
export type WaitingFor = 'redis' | 'gateway' | 'source';

export interface Wait {
  for: WaitingFor;
  /** Why, in a sentence. */
  why: string;
}

/** The current wait of a process, set by the part that notices it and shown by the display. */
export interface Waits {
  set(what: WaitingFor, why: string): void;
  clear(what: WaitingFor): void;
  /** The first of `redis`, `gateway`, `source`: without the one the others do not matter. */
  current(): Wait | null;
}

const ORDER: readonly WaitingFor[] = ['redis', 'gateway', 'source'];

export function createWaits(): Waits {
  const reasons = new Map<WaitingFor, string>();
  return {
    set: (what, why) => void reasons.set(what, why),
    clear: (what) => void reasons.delete(what),
    current() {
      for (const what of ORDER) {
        const why = reasons.get(what);
        if (why !== undefined) return { for: what, why };
      }
      return null;
    },
  };
}
