import type { Releasers } from '../../lib/releasers.js';
import type { CommandContext } from '../program.js';

/** One checked thing. */
export interface Finding {
  what: string;
  ok: boolean;
  found: string;
  /** The remedy. */
  hint?: string;
}

export type Check = (context: CommandContext, releasers: Releasers) => Promise<Finding[]>;

export const failed = (what: string, error: unknown): Finding => {
  const { message, hint } = error as Error & { hint?: string };
  return { what, ok: false, found: message, ...(hint ? { hint } : {}) };
};

/** A place that this user may not read is no fault: the rest may be good. */
export const unreadable = (what: string, error: unknown): Finding => ({
  what,
  ok: true,
  found: `cannot be read (${(error as Error).message})`,
});

/** Clocks that differ by more lead to waits and signatures that are off. */
const CLOCKS_APART_MS = 30_000;

export function clockFinding(what: string, apartMs: number): Finding {
  const seconds = Math.round(Math.abs(apartMs) / 1000);
  const found =
    seconds === 0 ? 'the same' : `${seconds} s ${apartMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  const hint = 'set both by NTP: pauses, polls and signatures go by the clock';
  return { what, ok: Math.abs(apartMs) <= CLOCKS_APART_MS, found, hint };
}
