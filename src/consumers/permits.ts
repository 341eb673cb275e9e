/** Most Gateway calls that a process has in flight, over all its runs and both kinds of call; first come, first served. */
export interface Permits {
  take(): Promise<void>;
  give(): void;
}

export function createPermits(limit: number): Permits {
  let free = limit;
  const waiting: (() => void)[] = [];
  return {
    take() {
      if (free > 0) {
        free -= 1;
        return Promise.resolve();
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    give() {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    },
  };
}
