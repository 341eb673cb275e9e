/** A usual ending or none, compressed or not. Parts that other programs write often have no ending. */
const USUAL = /(^|\/)([^./]+|.*\.(jsonl|ndjson|jsonlines|json))(\.(gz|gzip|zst|zstd))?$/i;
/** A folder or a bare `*`. With another pattern the user has chosen the names. */
const TAKES_ALL = /^(?!https?:)(.*\/)?\*?$/;
const SHOWN = 3;

/**
 * A note about files of a folder whose names do not look like JSON lines. They are read anyway. Null if there are none.
 */
export function oddNames(spec: string, names: readonly string[]): string | null {
  const odd = TAKES_ALL.test(spec) ? names.filter((name) => !USUAL.test(name)) : [];
  if (odd.length === 0) return null;
  const shown = odd.slice(0, SHOWN).join(', ') + (odd.length > SHOWN ? ', …' : '');
  const files = names.length === 1 ? 'its only file is' : `all ${names.length} files are`;
  const which = odd.length === names.length ? 'none is' : `${odd.length} of them not`;
  return `${files} read as JSON lines, ${which} named .jsonl: ${shown}; a pattern takes some of them, such as '*.jsonl'`;
}
