import { setTimeout as sleep } from 'node:timers/promises';
import type { Exit, Started } from './command.js';

/** Keeps one command going, as a user or a supervisor would. */
export interface Keeper {
  readonly name: string;
  /** The process of now; between two it is the one that has ended. */
  readonly now: Started;
  /** The exit that was its end; null when it was let go before. */
  done: Promise<Exit | null>;
  /** Starts it no more; the process of now goes on. */
  letGo(): void;
}

const AGAIN_MS = 300;

/**
 * Starts a command, and the same command again whenever it ends before its end.
 *
 * @param isEnd whether an exit is the end of it
 * @param onDeath told of every exit that nobody here has caused
 */
export function keep(
  name: string,
  start: () => Started,
  isEnd: (exit: Exit) => boolean,
  onDeath: (exit: Exit) => void,
): Keeper {
  let now = start();
  let wanted = true;
  async function watch(): Promise<Exit | null> {
    for (;;) {
      const exit = await now.exit;
      if (isEnd(exit)) return exit;
      if (!now.wasKilled) onDeath(exit);
      if (!wanted) return null;
      await sleep(AGAIN_MS);
      now = start();
    }
  }
  return {
    name,
    get now() {
      return now;
    },
    done: watch(),
    letGo() {
      wanted = false;
    },
  };
}
