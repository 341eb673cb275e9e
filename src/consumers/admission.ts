import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClient } from '../redis/connection.js';
import { retryTemporaryErrors } from '../redis/temporary-errors.js';
import type { RunKeys } from '../runs/keys.js';
import { admit, type Envelope, isEnvelope, type Verdict } from '../runs/scripts.js';

const LOOK_FOR_ROOM_MS = 200;
const HOLD_FOR_ROOM_MS = { full: 5_000, budget: 1_000, spend: 1_000, day: 1_000 };

/** The verdicts on a chunk's lines; `gone`: the run is on record no more. */
export interface Admission {
  of(line: number): Promise<Verdict | 'gone'>;
}

interface Waiting {
  resolve(verdict: Verdict | 'gone'): void;
  reject(error: unknown): void;
}

/**
 * Asks whether a chunk's lines may be submitted. Lines wait for room in their worker's hands for a while: room in the
 * in-flight window, or within `--budget` and `--spend`, which may be given back. Lines behind them in the queue may
 * hold that room, and need a slot.
 *
 * @param labelers the most that one of the lines asks for, 0 when none says
 * @param resultsMakeRoom whether tasks are polled at all; else nothing makes room, and the lines make way at once
 */
export function admitChunk(
  redis: RedisClient,
  keys: RunKeys,
  source: number,
  lines: readonly number[],
  {
    labelers,
    signal,
    resultsMakeRoom,
  }: { labelers: number; signal: AbortSignal; resultsMakeRoom: () => Promise<boolean> },
): Admission {
  const waiting = new Map<number, Waiting>();
  const verdicts = new Map<number, Promise<Verdict | 'gone'>>();
  for (const line of lines)
    verdicts.set(
      line,
      new Promise((resolve, reject) => {
        waiting.set(line, { resolve, reject });
      }),
    );

  async function decide(): Promise<void> {
    const began = Date.now();
    while (waiting.size > 0) {
      const asked = [...waiting.keys()];
      const answers = await retryTemporaryErrors(() => admit(redis, keys, source, asked, labelers), {
        signal,
      });
      let lacks: 'full' | Envelope | null = null;
      for (const [index, line] of asked.entries()) {
        const verdict = answers?.[index] ?? 'gone';
        if (verdict === 'full' || isEnvelope(verdict)) lacks = verdict;
        else resolve(line, verdict);
      }
      if (lacks === null) return;
      await sleep(jitteredWaitMs(), undefined, { signal }).catch(() => undefined);
      const patience = !signal.aborted && Date.now() - began < HOLD_FOR_ROOM_MS[lacks];
      if (patience && (lacks !== 'full' || (await resultsMakeRoom()))) continue;
      for (const line of [...waiting.keys()]) resolve(line, lacks);
    }
  }

  function resolve(line: number, verdict: Verdict | 'gone'): void {
    waiting.get(line)?.resolve(verdict);
    waiting.delete(line);
  }

  decide().catch((error: unknown) => {
    for (const { reject } of waiting.values()) reject(error);
  });
  return { of: (line) => verdicts.get(line) ?? Promise.resolve('gone') };
}

/** How long a line stays away that found no room, ms: not all at once. */
export const jitteredWaitMs = () => LOOK_FOR_ROOM_MS * (0.5 + Math.random());
