import { setTimeout as sleep } from 'node:timers/promises';
import type { Exit, Started } from './command.js';

/** A command that is started again whenever it dies, as a user or a supervisor would do. */
export interface RestartedCommand {
  readonly name: string;
  /** The present process. Between two processes, the one that has ended. */
  readonly now: Started;
  /** The exit that counts as its end; null after `stopRestarting`. */
  done: Promise<Exit | null>;
  /** Does not start it again. The present process goes on. */
  stopRestarting(): void;
}

const RESTART_DELAY_MS = 300;

/**
 * Starts a command, and again whenever it exits before its end.
 *
 * @param isEnd whether an exit is the end of it
 * @param onDeath told of every exit that nobody here has caused
 */
export function restartUntilEnd(
  name: string,
  start: () => Started,
  isEnd: (exit: Exit) => boolean,
  onDeath: (exit: Exit) => void,
): RestartedCommand {
  let now = start();
  let wanted = true;
  async function watch(): Promise<Exit | null> {
    for (;;) {
      const exit = await now.exit;
      if (isEnd(exit)) return exit;
      if (!now.wasKilled) onDeath(exit);
      if (!wanted) return null;
      await sleep(RESTART_DELAY_MS);
      now = start();
    }
  }
  return {
    name,
    get now() {
      return now;
    },
    done: watch(),
    stopRestarting() {
      wanted = false;
    },
  };
}
