/** The time between two checks of a run, which news cut short. */
export interface InterruptibleSleep {
  /** There is something to check. News during work cut the next rest short. */
  wake(): void;
  /** Resolves after `ms`, at news, or when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export function createInterruptibleSleep(): InterruptibleSleep {
  let news = false;
  let end: (() => void) | null = null;
  return {
    wake() {
      if (end === null) news = true;
      else end();
    },
    sleep(ms, signal) {
      if (news || signal.aborted) {
        news = false;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        const over = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', over);
          end = null;
          resolve();
        };
        const timer = setTimeout(over, ms);
        signal.addEventListener('abort', over);
        end = over;
      });
    },
  };
}
