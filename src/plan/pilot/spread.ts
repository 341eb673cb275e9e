import type { Chosen, Place } from '../../runs/pilot-lines.js';

/** Lines of one source: one from each stretch of `step` lines, and the stretch that has begun. */
interface Spread {
  lines: number;
  picks: Place[];
  begun: { pick: Place | null; lines: number };
}

/**
 * Chooses lines that lie evenly over the sources, in one pass and without knowing how many there are. One line of
 * each stretch of `step` lines is kept, by chance; when too many are kept, two neighbours become one and stretches
 * twice as long. So never more than twice the wanted lines are held, and one of each source.
 *
 * @param random gives numbers from 0 up to 1; the same numbers choose the same lines
 */
export function createSpread(wanted: number, sources: number, random: () => number) {
  const spreads: Spread[] = Array.from({ length: sources }, () => ({
    lines: 0,
    picks: [],
    begun: { pick: null, lines: 0 },
  }));
  let [step, kept] = [1, 0];

  function double(): void {
    step *= 2;
    kept = 0;
    for (const spread of spreads) {
      const { picks } = spread;
      const merged: Place[] = [];
      for (let n = 0; n + 1 < picks.length; n += 2) {
        const pick = picks[random() < 0.5 ? n : n + 1];
        if (pick !== undefined) merged.push(pick);
      }
      const odd = picks.length % 2 === 1 ? picks.at(-1) : undefined;
      if (odd !== undefined) {
        // An odd stretch at the end begins a new, longer stretch.
        const lines = step / 2 + spread.begun.lines;
        const stays = spread.begun.pick === null || random() * lines < step / 2;
        spread.begun = { pick: stays ? odd : spread.begun.pick, lines };
      }
      spread.picks = merged;
      kept += merged.length;
    }
  }

  return {
    /** A line that is not blank. Lines come in order, source by source. */
    add(source: number, line: number, offset: number): void {
      const spread = spreads[source];
      if (spread === undefined) return;
      spread.lines += 1;
      const { begun } = spread;
      begun.lines += 1;
      if (random() * begun.lines < 1) begun.pick = [line, offset];
      if (begun.lines < step || begun.pick === null) return;
      spread.picks.push(begun.pick);
      spread.begun = { pick: null, lines: 0 };
      kept += 1;
      if (kept > 2 * wanted) double();
    },
    /**
     * Resolves to all wanted lines, or to all lines when there are fewer. Each source gives its share, and at least one
     * line while they suffice.
     */
    chosen(): Chosen {
      const all = spreads.map(({ picks, begun }) => (begun.pick === null ? picks : [...picks, begun.pick]));
      const lines = spreads.map((spread) => spread.lines);
      const shares = shareOut(
        wanted,
        lines,
        all.map((picks) => picks.length),
      );
      return { lines, places: all.map((picks, source) => thin(picks, shares[source] ?? 0, random)) };
    },
  };
}

/** Shares of `wanted` in proportion to `weights`, none over its limit. */
function shareOut(wanted: number, weights: readonly number[], limits: readonly number[]): number[] {
  const total = weights.reduce((sum, n) => sum + n, 0);
  const given = weights.map(() => 0);
  if (total === 0) return given;
  const filled = weights.filter((n) => n > 0).length;
  let [left, passed] = [wanted, 0];
  // The running sum is rounded, not each share. Otherwise the first of many sources would be preferred.
  for (const [source, weight] of weights.entries()) {
    const before = Math.round((passed / total) * wanted);
    passed += weight;
    const share = Math.round((passed / total) * wanted) - before;
    const least = weight > 0 && filled <= wanted ? 1 : 0;
    given[source] = Math.min(limits[source] ?? 0, Math.max(least, share));
    left -= given[source];
  }
  // Rounding and the minimum of one give too few or too many. The largest shares are corrected.
  const bySize = [...given.keys()].sort((a, b) => (given[b] ?? 0) - (given[a] ?? 0));
  for (let moved = true; left !== 0 && moved; ) {
    moved = false;
    for (const source of bySize) {
      const now = given[source] ?? 0;
      const next = now + Math.sign(left);
      if (left === 0 || next > (limits[source] ?? 0) || (left < 0 && next < 1)) continue;
      given[source] = next;
      left -= next - now;
      moved = true;
    }
  }
  return given;
}

/** Picks `count` of them: one at random from each of `count` equal stretches. */
function thin(picks: readonly Place[], count: number, random: () => number): Place[] {
  if (count >= picks.length) return [...picks];
  const begin = (n: number) => Math.floor((n * picks.length) / count);
  return Array.from(
    { length: count },
    (_each, n) => begin(n) + Math.floor(random() * (begin(n + 1) - begin(n))),
  )
    .map((at) => picks[at])
    .filter((pick) => pick !== undefined);
}
